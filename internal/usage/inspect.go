package usage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/id"
)

// An Inspection is what stands in a spool's folder.
type Inspection struct {
	Node        id.Node
	Segments    int
	Bytes       int64     // of all segments
	Admitted    int       // requests
	Finished    int       // records of their ends
	Open        int       // admitted, not finished: in flight, or cut off by a kill
	Unbooked    int       // ends behind the position that was asked for
	Damaged     int       // places that cannot be read and are skipped
	Quarantined int       // ends that Postgres refused, put aside
	Oldest      time.Time // start of the oldest request that is not booked; zero where all are
}

// Inspect reads a spool's folder, which may be in use, and changes nothing. What stands before the position is booked. A
// folder that is no spool is an error.
func Inspect(dir string, booked Position) (Inspection, error) {
	var i Inspection
	if _, err := os.Stat(filepath.Join(dir, nodeName)); err != nil {
		return i, fmt.Errorf("%s is not a spool: %w", dir, err)
	}
	node, err := nodeOf(dir)
	if err != nil {
		return i, err
	}
	i.Node = node
	numbers, err := listSegments(dir)
	if err != nil {
		return i, err
	}
	i.Segments = len(numbers)
	if i.Bytes, err = sizeOf(dir); err != nil {
		return i, err
	}
	if len(numbers) > 0 {
		if err := i.read(dir, numbers[len(numbers)-1], booked); err != nil {
			return i, err
		}
	}
	put, err := quarantined(dir)
	i.Quarantined = len(put)
	return i, err
}

func (i *Inspection) read(dir string, last int64, booked Position) error {
	info, err := os.Stat(filepath.Join(dir, segmentName(last)))
	if err != nil {
		return fmt.Errorf("inspect spool: %w", err)
	}
	r := newReader(dir, Position{})
	defer r.close()
	open := map[id.Request]struct{}{}
	for {
		rec, ok, err := r.next(Position{Segment: last, Offset: info.Size()})
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		kind, e, err := decodeRecord(rec.payload)
		switch {
		case err != nil:
			i.Damaged++
			continue
		case kind == admittedRecord:
			if _, carried := open[e.ID]; !carried {
				i.Admitted++
			}
			open[e.ID] = struct{}{}
			continue
		}
		i.Finished++
		delete(open, e.ID)
		if booked.Before(rec.next) {
			i.Unbooked++
			if i.Oldest.IsZero() || e.StartedAt.Before(i.Oldest) {
				i.Oldest = e.StartedAt
			}
		}
	}
	i.Open = len(open)
	i.Damaged += r.takeDamaged()
	return nil
}

// quarantined reads what was put aside.
func quarantined(dir string) ([]Event, error) {
	raw, err := os.ReadFile(filepath.Join(dir, quarantineName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	var events []Event
	for len(raw) > 0 {
		payload, _, end := nextFrame(raw, true)
		if payload != nil {
			if _, e, err := decodeRecord(payload); err == nil {
				events = append(events, e)
			}
		}
		raw = raw[end:]
	}
	return events, nil
}

// Requeue puts what was put aside at the end of the spool again, for another try: after an update, or once what Postgres
// refused it for is mended. A booker that refuses a record again puts it aside anew.
func (s *Spool) Requeue() (int, error) {
	events, err := quarantined(s.dir)
	if err != nil {
		return 0, err
	}
	for _, e := range events {
		if err := s.Finish(e); err != nil {
			return 0, err // all of them stay put aside; the keys of their rows keep those that were written from being booked twice
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	path := filepath.Join(s.dir, quarantineName)
	if err := os.Rename(path, fmt.Sprintf("%s.requeued-%d", path, time.Now().Unix())); err != nil {
		return 0, fmt.Errorf("empty the quarantine: %w", err)
	}
	return len(events), nil
}

// Booked is up to where the spool of a node is booked, by its cursor in Postgres; known is false where that has none.
func Booked(ctx context.Context, tx db.DBTX, node id.Node) (at Position, known bool, err error) {
	row, err := db.New().GetSpoolCursor(ctx, tx, node)
	if errors.Is(err, pgx.ErrNoRows) {
		return Position{}, false, nil
	}
	if err != nil {
		return Position{}, false, fmt.Errorf("read spool cursor: %w", db.Classify(err))
	}
	return Position{Segment: row.Segment, Offset: row.Position}, true, nil
}
