package usage

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

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
	lock        *os.File
	first       int64         // the first segment of this process; those before it are only read
	recovered   int           // requests that were in flight when the last process ended
	grown       chan struct{} // holds a token after a Finish

	stop    chan struct{} // ends the flusher
	flusher sync.WaitGroup

	mu     sync.Mutex
	file   *os.File
	end    Position            // where the next record goes
	open   map[id.Request]span // admitted, not finished; all in the current segment
	closed bool
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
	if s.end.Offset >= s.segmentSize {
		if err := s.rotate(); err != nil {
			// The old segment goes on: a record in a segment that is too long is better than none.
			s.log.Error("cannot begin a spool segment", "error", err)
		}
	}
	// Always at the known end: what a failed write left behind is overwritten by the next.
	if _, err := s.file.WriteAt(frame, s.end.Offset); err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
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
	s.file, s.end, s.open = file, next, carried
	return nil
}

// tail is up to where the spool may be read, and how many requests are open.
func (s *Spool) tail() (end Position, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end, len(s.open)
}

// Bytes is what the spool takes on the disk. Segments are removed as a whole once they are booked, so that it is more than
// a few segments only where booking lags behind.
func (s *Spool) Bytes() int64 {
	numbers, err := listSegments(s.dir)
	if err != nil {
		return 0
	}
	var total int64
	for _, n := range numbers {
		if info, err := os.Stat(filepath.Join(s.dir, segmentName(n))); err == nil { // else it has just been removed
			total += info.Size()
		}
	}
	return total
}

// release removes the segments before the given one, which are booked.
func (s *Spool) release(before int64) error { return removeSegments(s.dir, before) }

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
