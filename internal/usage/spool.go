package usage

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// A Spool is the node's append-only file of what was let through and what ended. It is safe for concurrent use.
//
// Admit and Finish hand the record to the kernel in one write before they return, so that the death of the process loses
// nothing that they acknowledged. A power cut loses what the kernel had not written out by itself (Linux: up to some 30
// seconds), or what came since the last flush where SyncEvery asks for one. A lost disk loses what was not booked.
type Spool struct {
	dir         string
	node        id.Node
	log         *slog.Logger
	segmentSize int64
	syncEvery   time.Duration
	maxBytes    int64 // 0 is no limit
	lock        *os.File
	first       int64         // the first segment of this process; those before it are only read
	recovered   int           // requests that were in flight when the last process ended
	grown       chan struct{} // holds a token after a Finish

	stop    chan struct{} // ends the flusher
	flusher sync.WaitGroup

	mu         sync.Mutex
	file       *os.File
	end        Position            // where the next record goes
	open       map[id.Request]span // admitted, not finished; all in the current segment
	bytes      int64               // of all segments
	full       bool                // nothing is admitted
	complained time.Time           // last, of the disk
	closed     bool
}

// A span is the place of an open admission in the current segment.
type span struct {
	offset int64
	length int32 // of the frame
}

// A SpoolOption changes how a spool is kept.
type SpoolOption func(*Spool)

// SegmentSize sets after how many bytes a new segment is begun. The default is 16 MiB.
func SegmentSize(n int64) SpoolOption { return func(s *Spool) { s.segmentSize = n } }

// SyncEvery has the spool flushed to the disk at this interval, off the request path: the most that a power cut can take.
// The default leaves it to the kernel.
func SyncEvery(d time.Duration) SpoolOption { return func(s *Spool) { s.syncEvery = d } }

// MaxBytes bounds what the spool takes on the disk. Beyond it nothing is admitted, until a tenth is free again: see ErrFull.
// What was admitted before is finished all the same. The default is no limit.
func MaxBytes(n int64) SpoolOption { return func(s *Spool) { s.maxBytes = n } }

// ErrFull refuses requests that could not be written down: the spool has its MaxBytes, or the disk takes no more. Both come
// of a database that is away for long. What was admitted before loses nothing.
var ErrFull = fault.New(fault.Limited, "The gateway cannot record more requests until its database is back. Try again later.").
	WithCode("gateway_overloaded").After(10 * time.Second)

// finishing is what is left free for the end of each request that is open, in bytes: more than nearly all take.
const finishing = 2 << 10

// errClosed says that a spool has been closed.
var errClosed = errors.New("the spool is closed")

// Node is the identity of the spool's folder, and so of the node: a restart finds it again.
func (s *Spool) Node() id.Node { return s.node }

// Recovered is how many requests were in flight when the folder's last process ended. They have been finished as
// truncated when the spool was opened.
func (s *Spool) Recovered() int { return s.recovered }

// Admit records that a request was let through. Where it fails the request must be refused: a kill would lose it.
func (s *Spool) Admit(e Event) error { return s.append(admittedRecord, &e) }

// Finish records how a request ended. The answer's last bytes may go out only after it has returned nil. A request whose
// Finish failed stays open, and is finished as truncated at the next start.
func (s *Spool) Finish(e Event) error { return s.append(finishedRecord, &e) }

var frames = sync.Pool{New: func() any { return new(make([]byte, 0, 1024)) }}

func (s *Spool) append(kind recordKind, e *Event) error {
	buf := frames.Get().(*[]byte)
	frame := appendRecord(beginFrame((*buf)[:0]), kind, e)
	endFrame(frame)
	err := s.write(kind, e.ID, frame)
	*buf = frame[:0]
	frames.Put(buf)
	if err == nil && kind == finishedRecord {
		select {
		case s.grown <- struct{}{}:
		default:
		}
	}
	return err
}

func (s *Spool) write(kind recordKind, request id.Request, frame []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if kind == admittedRecord && s.overfull() {
		return ErrFull
	}
	if s.end.Offset >= s.segmentSize {
		if err := s.rotate(); err != nil {
			// The old segment goes on: a record in a segment that is too long is better than none.
			s.log.Error("cannot begin a spool segment", "error", err)
		}
	}
	// Always at the known end: what a failed write left behind is overwritten by the next.
	if _, err := s.file.WriteAt(frame, s.end.Offset); err != nil {
		err = fmt.Errorf("write spool: %w", err)
		if kind == admittedRecord {
			s.complain(err)
			return errors.Join(ErrFull, err)
		}
		return err
	}
	s.bytes += int64(len(frame))
	if kind == admittedRecord {
		s.open[request] = span{s.end.Offset, int32(len(frame))}
	} else {
		delete(s.open, request)
	}
	s.end.Offset += int64(len(frame))
	return nil
}

// rotate begins the next segment. What is open is carried into it, so that no segment is needed once it is booked.
func (s *Spool) rotate() error {
	next := Position{Segment: s.end.Segment + 1, Offset: segmentHeader}
	file, err := createSegment(s.dir, next.Segment)
	if err != nil {
		return err
	}
	carried := make(map[id.Request]span, len(s.open))
	frame := make([]byte, 0, 1024)
	for request, at := range s.open {
		frame = append(frame[:0], make([]byte, at.length)...)
		_, err := s.file.ReadAt(frame, at.offset)
		if err == nil {
			_, err = file.WriteAt(frame, next.Offset)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("carry open requests: %w", err), file.Close(), os.Remove(file.Name()))
		}
		carried[request] = span{next.Offset, at.length}
		next.Offset += int64(at.length)
	}
	if s.syncEvery > 0 {
		if err := s.file.Sync(); err != nil {
			s.log.Error("cannot flush the spool", "error", err)
		}
	}
	s.file.Close() // nothing is buffered: every write has been seen to succeed
	s.bytes += next.Offset
	s.file, s.end, s.open = file, next, carried
	return nil
}

// tail is up to where the spool may be read, and how many requests are open.
func (s *Spool) tail() (end Position, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end, len(s.open)
}

// overfull reports whether nothing may be admitted, and raises the alarm where that has changed.
func (s *Spool) overfull() bool {
	if s.maxBytes == 0 {
		return false
	}
	used := s.bytes + int64(len(s.open)+1)*finishing
	switch {
	case !s.full && used > s.maxBytes:
		s.full = true
		s.log.Error("the spool is full: requests are refused until Postgres takes what is in it", "bytes", s.bytes, "limit", s.maxBytes)
	case s.full && used < s.maxBytes-s.maxBytes/10:
		s.full = false
		s.log.Info("the spool has room again", "bytes", s.bytes)
	}
	return s.full
}

// complainEvery is how often a disk that takes nothing is told of.
const complainEvery = 10 * time.Second

func (s *Spool) complain(err error) {
	if now := time.Now(); now.Sub(s.complained) > complainEvery {
		s.complained = now
		s.log.Error("the spool cannot be written: requests are refused", "error", err)
	}
}

// Bytes is what the spool takes on the disk. Segments are removed as a whole once they are booked, so that it is more than
// a few segments only where booking lags behind.
func (s *Spool) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Full reports whether requests are refused since the spool has its MaxBytes.
func (s *Spool) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overfull()
}

// release removes the segments before the given one, which are booked.
func (s *Spool) release(before int64) error {
	freed, err := removeSegments(s.dir, before)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= freed
	return err
}

// Close closes the spool and gives up its folder. What is not booked is found by the next OpenSpool.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	s.flusher.Wait()
	return errors.Join(s.file.Sync(), s.file.Close(), unlockFolder(s.lock))
}

// flush runs until Close.
func (s *Spool) flush() {
	tick := time.NewTicker(s.syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		file := s.file
		s.mu.Unlock()
		// A rotation meanwhile has flushed the file itself before it closed it.
		if err := file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
			s.log.Error("cannot flush the spool", "error", err)
		}
	}
}
