package upstream

import "io"

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

func size(segments [][]byte) (n int64) {
	for _, s := range segments {
		n += int64(len(s))
	}
	return n
}
