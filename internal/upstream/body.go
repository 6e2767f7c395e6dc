package upstream

import (
	"bytes"
	"io"
	"net/http"
)

// joinLimit is up to where a body of several segments is copied into one piece, in bytes. net/http knows a bytes.Reader
// to be in memory, and sends it in one packet with the header, which is worth more than the copy; it also lets the transport
// take another connection where an idle one turns out to be closed.
const joinLimit = 32 << 10

// attach makes segments the request's body.
func attach(r *http.Request, segments [][]byte) {
	r.ContentLength = size(segments)
	if r.ContentLength == 0 {
		return
	}
	open := func() io.ReadCloser { return &body{rest: segments} }
	if whole, ok := single(segments, r.ContentLength); ok {
		open = func() io.ReadCloser { return io.NopCloser(bytes.NewReader(whole)) }
	}
	r.Body = open()
	r.GetBody = func() (io.ReadCloser, error) { return open(), nil }
}

// single is the segments in one piece, where that is not too dear.
func single(segments [][]byte, n int64) ([]byte, bool) {
	if len(segments) == 1 {
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
	rest [][]byte
	off  int // into rest[0]
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

// Close has nothing to release. The segments are the caller's, and must stay until the response's body is closed: an
// upstream may answer before it has read all.
func (b *body) Close() error { return nil }
