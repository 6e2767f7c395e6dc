package usage

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/llm"
)

const (
	lockName = "lock"
	nodeName = "node"
)

// ErrInUse says that another process has the spool's folder.
var ErrInUse = errors.New("the spool folder is in use by another process")

// OpenSpool opens the spool in a folder, which is made where it is missing and belongs to one process at a time.
//
// Requests that were in flight when the last process ended are finished here as Truncated. New records go to a segment
// of their own, so that a position that was booked before can never lie in front of them.
func OpenSpool(dir string, log *slog.Logger, options ...SpoolOption) (_ *Spool, err error) {
	s := &Spool{
		dir: dir, log: log, segmentSize: defaultSegmentSize,
		grown: make(chan struct{}, 1), stop: make(chan struct{}), open: map[id.Request]span{},
	}
	for _, option := range options {
		option(s)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool folder: %w", err)
	}
	if s.lock, err = lockFolder(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = unlockFolder(s.lock) // the first failure is the one to tell
		}
	}()
	if s.node, err = nodeOf(dir); err != nil {
		return nil, err
	}
	open, last, err := s.scan()
	if err != nil {
		return nil, err
	}
	s.first = last.Segment + 1
	s.end = Position{Segment: s.first, Offset: segmentHeader}
	if s.file, err = createSegment(dir, s.first); err != nil {
		return nil, err
	}
	if s.bytes, err = sizeOf(dir); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	if err := s.recover(open, last.at); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	if s.syncEvery > 0 {
		s.flusher.Go(s.flush)
	}
	return s, nil
}

// lockFolder takes the folder for this process. The lock ends with the process, however that ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return f, nil
}

// unlockFolder gives the folder up. The lock is lifted by itself: closing alone would leave it to a process that is just
// being forked, until that has closed what it inherited.
func unlockFolder(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// nodeOf reads the folder's identity, or gives it one.
func nodeOf(dir string) (id.Node, error) {
	path := filepath.Join(dir, nodeName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		node := id.New[id.Node]()
		return node, writeNode(path, node)
	}
	if err != nil {
		return id.Node{}, fmt.Errorf("spool folder: %w", err)
	}
	node, err := id.Parse[id.Node](strings.TrimSpace(string(text)))
	if err != nil {
		return id.Node{}, fmt.Errorf("%s: %w", path, err)
	}
	return node, nil
}

func writeNode(path string, node id.Node) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("spool folder: %w", err)
	}
	_, err = f.WriteString(node.String() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("spool folder: %w", err)
	}
	return nil
}

// lastSegment is the newest segment of the last process, and when it was last written to.
type lastSegment struct {
	Segment int64
	at      time.Time
}

// scan goes through all segments: it finds what was admitted and not finished, and cuts a torn end off the last one.
func (s *Spool) scan() (open map[id.Request][]byte, last lastSegment, err error) {
	numbers, err := listSegments(s.dir)
	if err != nil || len(numbers) == 0 {
		return nil, lastSegment{}, err
	}
	last.Segment = numbers[len(numbers)-1]
	path := filepath.Join(s.dir, segmentName(last.Segment))
	info, err := os.Stat(path)
	if err != nil {
		return nil, lastSegment{}, fmt.Errorf("scan spool: %w", err)
	}
	last.at = info.ModTime()

	open = map[id.Request][]byte{}
	r := newReader(s.dir, Position{})
	defer r.close()
	limit := Position{Segment: last.Segment, Offset: info.Size()}
	good := Position{Segment: last.Segment} // behind the last whole record of the last segment
	for {
		rec, ok, err := r.next(limit)
		if err != nil {
			return nil, lastSegment{}, err
		}
		if !ok {
			break
		}
		if rec.next.Segment == last.Segment {
			good = rec.next
		}
		kind, request, err := recordKey(rec.payload)
		switch {
		case err != nil:
		case kind == admittedRecord:
			open[request] = slices.Clone(rec.payload)
		case kind == finishedRecord:
			delete(open, request)
		}
	}
	good.Offset = max(good.Offset, segmentHeader)
	if torn := info.Size() - good.Offset; torn > 0 {
		s.log.Warn("cutting the torn end of the spool", "segment", last.Segment, "bytes", torn)
		if err := os.Truncate(path, good.Offset); err != nil {
			return nil, lastSegment{}, fmt.Errorf("cut torn end of spool: %w", err)
		}
	}
	return open, last, nil
}

// recover finishes what the last process left in flight. A kill meanwhile leaves the rest to the next start.
func (s *Spool) recover(open map[id.Request][]byte, diedAt time.Time) error {
	events := make([]Event, 0, len(open))
	for _, payload := range open {
		_, e, err := decodeRecord(payload)
		if err != nil {
			s.log.Error("an open request in the spool cannot be read", "error", err)
			continue
		}
		events = append(events, e)
	}
	slices.SortFunc(events, func(a, b Event) int { return a.StartedAt.Compare(b.StartedAt) })
	for _, e := range events {
		if err := s.Finish(truncate(e, diedAt)); err != nil {
			return fmt.Errorf("finish what was in flight: %w", err)
		}
	}
	s.recovered = len(events)
	if s.recovered > 0 {
		s.log.Warn("requests were in flight when the gateway stopped", "requests", s.recovered)
	}
	return nil
}

// truncate is the end of a request whose process died: what it had read is billed, at most up to what it had reserved.
// How much it had answered is not known and not billed.
func truncate(e Event, diedAt time.Time) Event {
	e.Outcome = Truncated
	e.ErrorCode = CodeGatewayStopped
	e.Duration = min(max(diedAt.Sub(e.StartedAt), 0), maxDuration)
	if e.Usage != (llm.Usage{}) {
		e.Usage.Estimated = true
	}
	if e.Charge != nil {
		e.Charge = amount(int64(min(*e.Charge, e.Hold)))
	}
	return e
}
