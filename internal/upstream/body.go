package upstream

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// joinLimit is up to where a body of several segments is copied into one piece, in bytes. net/http knows a bytes.Reader
// to be in memory, and sends it in one packet with the header, which is worth more than the copy; it also lets the transport
// take another connection where an idle one turns out to be closed.
const joinLimit = 32 << 10

// A Sending tells what becomes of the requests of calls, while they are made and afterwards. A transport may still read a
// body when Do has returned and the response is closed: where the vendor answered before it had read all, or the call was
// cancelled. The zero Sending is ready, and one may serve several calls.
type Sending struct {
	open  atomic.Int32
	calls atomic.Int32
	sent  atomic.Int32 // the last of the calls whose request was written out whole
}

// Idle reports whether no segment is read any more, so that their memory may be used for another request.
func (s *Sending) Idle() bool { return s.open.Load() == 0 }

// Sent reports whether the request of the latest call was written out whole: the vendor may have worked on it.
func (s *Sending) Sent() bool {
	calls := s.calls.Load()
	return calls > 0 && s.sent.Load() == calls
}

// begin counts a call.
func (s *Sending) begin() (call int32) { return s.calls.Add(1) }

// wrote listens for the request of a call to be written.
func (s *Sending) wrote(call int32) func(httptrace.WroteRequestInfo) {
	return func(i httptrace.WroteRequestInfo) {
		if i.Err == nil {
			s.sent.Store(call)
		}
	}
}

// attach makes segments the request's body. Borrowed says that their memory is used again once sending is idle.
func attach(r *http.Request, segments [][]byte, sending *Sending, borrowed bool) {
	r.ContentLength = size(segments)
	if r.ContentLength == 0 {
		return
	}
	if whole, ok := single(segments, r.ContentLength, borrowed); ok {
		r.Body = io.NopCloser(bytes.NewReader(whole))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(whole)), nil }
		return
	}
	r.Body = newBody(segments, sending)
	r.GetBody = func() (io.ReadCloser, error) { return newBody(segments, sending), nil }
}

// single is the segments in one piece, where that is not too dear: a piece of their own if they are only borrowed.
func single(segments [][]byte, n int64, borrowed bool) ([]byte, bool) {
	if len(segments) == 1 && !borrowed {
		return segments[0], true
	}
	if n > joinLimit {
		return nil, false
	}
	whole := make([]byte, 0, n)
	for _, s := range segments {
		whole = append(whole, s...)
	}
	return whole, true
}

func size(segments [][]byte) (n int64) {
	for _, s := range segments {
		n += int64(len(s))
	}
	return n
}

// A body reads segments one after the other without joining them: a large request is forwarded from where it was read
// to, with only its patched places in segments of their own.
type body struct {
	rest    [][]byte
	off     int      // into rest[0]
	sending *Sending // nil where nobody asks
	closed  atomic.Bool
}

func newBody(segments [][]byte, s *Sending) *body {
	if s != nil {
		s.open.Add(1)
	}
	return &body{rest: segments, sending: s}
}

func (b *body) Read(p []byte) (n int, err error) {
	for n < len(p) && len(b.rest) > 0 {
		copied := copy(p[n:], b.rest[0][b.off:])
		n += copied
		b.off += copied
		if b.off == len(b.rest[0]) {
			b.rest, b.off = b.rest[1:], 0
		}
	}
	if n == 0 && len(b.rest) == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close ends the use of the segments. Transports call it once they are done, perhaps after Do has returned, and perhaps
// more than once.
func (b *body) Close() error {
	if !b.closed.Swap(true) && b.sending != nil {
		b.sending.open.Add(-1)
	}
	return nil
}
