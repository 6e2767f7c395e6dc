package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// DefaultMaxEvent is the largest event in bytes that NewReader accepts when it is not told another limit. Vendors
	// send pictures as base64 in one event, which is why it is in megabytes.
	DefaultMaxEvent = 16 << 20

	startBuffer  = 16 << 10 // the pooled buffer; ordinary events are below 1 KiB
	keepBuffer   = 64 << 10 // a buffer that grew beyond this is left to the garbage collector
	maxEmptyRead = 100      // reads of (0, nil) in a row before io.ErrNoProgress, as in bufio
)

// ErrTooLarge reports an event longer than the reader's limit. The reader is of no use afterwards.
var ErrTooLarge = errors.New("sse: event exceeds the size limit")

// Kind says what an event means to a client that follows the standard.
type Kind uint8

const (
	// Message has at least one data field: a client dispatches it, even where its data is empty.
	Message Kind = iota
	// Comment has comment lines and no data: a keep-alive.
	Comment
	// Ignored has neither: stray blank lines, or fields without data.
	Ignored
)

// Event is one block of the stream. Its slices point into the reader and are valid until the next call of Next or Close.
// Raw is so until Next reads from the source: where Ready was true, it does not.
type Event struct {
	// Raw is the whole block, byte for byte, with the blank line that ends it.
	Raw []byte
	// Name is the last "event" field, empty where there is none.
	Name []byte
	// Data is the value of the data fields, joined with LF.
	Data []byte
	Kind Kind
}

// lineEnd is how the last line ended.
type lineEnd uint8

const (
	endNone lineEnd = iota
	endLF
	endCR
	endCRLF
)

var bufferPool = sync.Pool{New: func() any {
	b := make([]byte, startBuffer)
	return &b
}}

// Reader cuts a stream into events. It is not safe for concurrent use.
type Reader struct {
	src    io.Reader
	buf    []byte // backing storage; buf[start:end] is read but not yet returned
	pooled *[]byte
	joined []byte // data of several lines
	max    int
	err    error // sticky read error
	empty  int   // reads in a row that brought nothing

	start, end int
	scan       int     // next byte to look at
	line       int     // where the current line starts
	lead       int     // bytes at the start of the block that are no content: byte order mark, second half of a CRLF
	found      int     // length of the block at start, once its end is known
	last       lineEnd // how the line before ended; survives from block to block
	skipLF     bool    // the block before ended in CR: an LF that follows at once belongs to it
	begun      bool    // the start of the stream was looked at
}

// NewReader returns a reader of src. An event may have up to maxEvent bytes, line ends included; zero or less means
// DefaultMaxEvent. Close gives its buffer back.
func NewReader(src io.Reader, maxEvent int) *Reader {
	if maxEvent <= 0 {
		maxEvent = DefaultMaxEvent
	}
	p := bufferPool.Get().(*[]byte)
	return &Reader{src: src, pooled: p, buf: *p, max: maxEvent}
}

// Close gives the buffer back; it does not close the source. Events handed out before are invalid from here on.
func (r *Reader) Close() {
	if r.buf != nil && cap(r.buf) <= keepBuffer {
		*r.pooled = r.buf[:cap(r.buf)]
		bufferPool.Put(r.pooled)
	}
	r.buf, r.pooled = nil, nil
	r.start, r.end = 0, 0
	r.reset()
	r.err = io.ErrClosedPipe
}

// Next returns the next event as soon as the blank line that ends it was read.
//
// At the end of the source it returns io.EOF when nothing is left over. A rest that no blank line ends is returned with
// io.ErrUnexpectedEOF: Raw is the rest, Name and Data are what its lines say, the last one taken as complete, so that
// the caller can tell a cut from a vendor who forgets the last blank line. Any other read error comes with the rest in
// the same way. Errors are final.
func (r *Reader) Next() (Event, error) {
	for {
		if n, ok := r.block(); ok {
			return r.take(n)
		}
		if r.err != nil {
			return r.tail()
		}
		if r.end-r.start > r.max {
			return r.tooLarge()
		}
		r.fill()
	}
}

// Ready reports whether Next will answer without reading from the source. A forwarder flushes when it is false, and so
// writes the events of one read in one go without holding any back.
func (r *Reader) Ready() bool {
	if _, ok := r.block(); ok {
		return true
	}
	return r.err != nil || r.end-r.start > r.max
}

// Join is the raw bytes of events of one reader, and those of the next one behind them: in place, which it reports where
// nothing stands between them.
func Join(events, next []byte) ([]byte, bool) {
	n := len(events)
	switch {
	case len(next) == 0:
		return events, true
	case n == 0:
		return next, true
	case n+len(next) > cap(events) || &events[:n+1][n] != &next[0]:
		return nil, false
	}
	return events[:n+len(next)], true
}

// take cuts n bytes off as an event and gets ready for the next.
func (r *Reader) take(n int) (Event, error) {
	if n > r.max {
		return r.tooLarge()
	}
	raw := r.buf[r.start : r.start+n]
	ev := r.parse(raw)
	r.start += n
	r.reset()
	return ev, nil
}

// reset begins a block at r.start.
func (r *Reader) reset() {
	r.scan, r.line = r.start, r.start
	r.lead, r.found = 0, 0
}

func (r *Reader) tooLarge() (Event, error) {
	r.err = fmt.Errorf("%w of %d bytes", ErrTooLarge, r.max)
	r.start = r.end
	r.reset()
	return Event{}, r.err
}

// tail answers after the source ended or failed and no complete event is left.
func (r *Reader) tail() (Event, error) {
	if r.start == r.end {
		return Event{}, r.err
	}
	raw := r.buf[r.start:r.end]
	if len(raw) > r.max {
		return r.tooLarge()
	}
	ev := r.parse(raw)
	begun := len(raw) > r.lead
	r.start = r.end
	r.reset()
	switch {
	case r.err != io.EOF:
		return ev, r.err
	case begun:
		return ev, io.ErrUnexpectedEOF
	}
	return ev, nil
}

// block looks for the end of the block that starts at r.start and returns its length. It goes on where the call before
// stopped, so that a stream that comes byte by byte costs no more than one that comes at once.
//
// The place of the cut depends on the bytes alone, never on how they were split: after a CR that ends a blank line an LF
// is waited for only where the line before ended in CRLF, since that sender has already sent it or is about to.
func (r *Reader) block() (int, bool) {
	if r.found > 0 {
		return r.found, true
	}
	if !r.begun && !r.skipBOM() {
		return 0, false
	}
	if r.skipLF && r.start < r.end {
		r.skipLF = false
		if r.buf[r.start] == '\n' {
			r.setLead(1)
		}
	}
	for r.scan < r.end {
		i := indexLineEnd(r.buf[r.scan:r.end])
		if i < 0 {
			r.scan = r.end
			return 0, false
		}
		at := r.scan + i
		blank := at == r.line
		next := at + 1
		switch {
		case r.buf[at] == '\n':
			r.last = endLF
		case next < r.end && r.buf[next] == '\n' && (!blank || r.last == endCRLF):
			next++
			r.last = endCRLF
		case next == r.end && r.err == nil && (!blank || r.last == endCRLF):
			r.scan = at // the LF may be on its way
			return 0, false
		default:
			r.last = endCR
			r.skipLF = blank
		}
		r.scan, r.line = next, next
		if blank {
			r.found = next - r.start
			return r.found, true
		}
	}
	return 0, false
}

// skipBOM steps over a byte order mark at the start of the stream and reports whether enough was read to know.
func (r *Reader) skipBOM() bool {
	const bom = "\xef\xbb\xbf"
	got := r.buf[r.start:r.end]
	if len(got) < len(bom) && r.err == nil && bytes.HasPrefix([]byte(bom), got) {
		return false
	}
	r.begun = true
	if bytes.HasPrefix(got, []byte(bom)) {
		r.setLead(len(bom))
	}
	return true
}

func (r *Reader) setLead(n int) {
	r.lead = n
	r.scan, r.line = r.start+n, r.start+n
}

// indexLineEnd finds the first CR or LF. Two vectorised searches beat a loop over the bytes.
func indexLineEnd(b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if i >= 0 {
		b = b[:i]
	}
	if j := bytes.IndexByte(b, '\r'); j >= 0 {
		return j
	}
	return i
}

// fill reads once, after it made room.
func (r *Reader) fill() {
	if r.start == r.end {
		r.start, r.end = 0, 0
		r.reset()
	}
	if r.end == len(r.buf) {
		r.makeRoom()
	}
	n, err := r.src.Read(r.buf[r.end:])
	if n < 0 || n > len(r.buf)-r.end {
		n, err = 0, errors.New("sse: source returned an impossible count from Read")
	}
	r.end += n
	switch {
	case err != nil:
		r.err = err
	case n > 0:
		r.empty = 0
	default:
		if r.empty++; r.empty >= maxEmptyRead {
			r.err = io.ErrNoProgress
		}
	}
}

// makeRoom moves the unread bytes to the front, or doubles the buffer where they fill more than half of it. It is called
// only while the unread bytes are within the limit, so that a buffer larger than the limit has room in front.
func (r *Reader) makeRoom() {
	dst := r.buf
	if r.start < len(r.buf)/2 && len(r.buf) <= r.max {
		// One byte above the limit is enough to know that an event is too large.
		dst = make([]byte, min(2*len(r.buf), r.max+1))
	}
	n := copy(dst, r.buf[r.start:r.end])
	r.buf = dst
	r.scan -= r.start
	r.line -= r.start
	r.start, r.end = 0, n
}
