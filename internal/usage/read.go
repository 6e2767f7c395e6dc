package usage

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// readChunk is how much of a segment is held in memory, in bytes: several of the largest records.
const readChunk = 256 << 10

// A record is one payload read back from the spool.
type record struct {
	payload []byte // valid until the next read
	next    Position
}

// A reader goes through the segments of a folder, and never past the limit that it is given. It is not safe for
// concurrent use.
type reader struct {
	dir string
	at  Position

	file  *os.File // of at.Segment; nil until it is needed
	buf   []byte
	bytes []byte // of buf: read, not yet used; they begin at at

	damaged int // places where something was skipped since this was last asked
}

func newReader(dir string, at Position) *reader {
	return &reader{dir: dir, at: at, buf: make([]byte, readChunk)}
}

// next is the next record before limit; ok is false where there is none. Damage is counted and skipped.
func (r *reader) next(limit Position) (rec record, ok bool, err error) {
	for {
		segmentEnd, ok, err := r.open(limit)
		if err != nil || !ok {
			return record{}, false, err
		}
		final := r.at.Offset+int64(len(r.bytes)) >= segmentEnd
		payload, start, end := nextFrame(r.bytes, final)
		if start > 0 {
			r.damaged++
		}
		r.at.Offset += int64(end)
		if payload != nil {
			r.bytes = r.bytes[end:]
			return record{payload, r.at}, true, nil
		}
		r.bytes = r.bytes[start:]
		if !final {
			if err := r.fill(segmentEnd); err != nil {
				return record{}, false, err
			}
		}
		if final && r.at.Segment == limit.Segment {
			return record{}, false, nil
		}
		if final {
			r.close()
			r.at = Position{Segment: r.at.Segment + 1}
		}
	}
}

// open makes sure that the file of r.at is open, moving on to the next segment that there is, and tells up to where the
// segment may be read. ok is false where nothing is left before limit.
func (r *reader) open(limit Position) (end int64, ok bool, err error) {
	if !r.at.Before(limit) {
		return 0, false, nil
	}
	if r.file == nil {
		numbers, err := listSegments(r.dir)
		if err != nil {
			return 0, false, err
		}
		for _, n := range numbers {
			if n < r.at.Segment || n > limit.Segment {
				continue
			}
			f, _, err := openSegment(r.dir, n)
			if err != nil {
				return 0, false, err
			}
			if n > r.at.Segment {
				r.at = Position{Segment: n}
			}
			r.at.Offset = max(r.at.Offset, segmentHeader)
			r.file = f
			break
		}
		if r.file == nil {
			return 0, false, nil
		}
	}
	if r.at.Segment == limit.Segment {
		return limit.Offset, true, nil
	}
	info, err := r.file.Stat()
	if err != nil {
		return 0, false, fmt.Errorf("read spool segment: %w", err)
	}
	return info.Size(), true, nil
}

// fill reads on behind the bytes that are left over.
func (r *reader) fill(segmentEnd int64) error {
	have := copy(r.buf, r.bytes)
	want := min(int64(len(r.buf)-have), segmentEnd-r.at.Offset-int64(have))
	n, err := r.file.ReadAt(r.buf[have:have+int(want)], r.at.Offset+int64(have))
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read spool segment: %w", err)
	}
	if n == 0 && want > 0 {
		return fmt.Errorf("read spool segment: %w", io.ErrUnexpectedEOF) // it shrank under our feet
	}
	r.bytes = r.buf[:have+n]
	return nil
}

// seek goes to another position.
func (r *reader) seek(at Position) {
	r.close()
	r.at = at
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.bytes = nil, nil
}

// takeDamaged is the number of places that had to be skipped since the last call.
func (r *reader) takeDamaged() int {
	n := r.damaged
	r.damaged = 0
	return n
}
