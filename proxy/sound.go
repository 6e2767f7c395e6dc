package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// sounds reports whether an answer is sound, which is played while it comes.
func sounds(r *http.Response) bool { return strings.HasPrefix(r.Header.Get("Content-Type"), "audio/") }

// sound forwards an answer as it comes, read by read. Only its last byte so far is held back, so that the end of it goes out
// when the call is booked.
func (c *call) sound(ctx context.Context, response *http.Response) *setback {
	if !c.answer.body() {
		return malformed(response.StatusCode)
	}
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	passed := false
	for held := 0; ; {
		n, err := response.Body.Read(piece[held:])
		c.answer.read()
		if _, bad := c.seen.watch.Write(piece[held : held+n]); bad != nil {
			err = bad
		}
		if errors.Is(err, io.EOF) {
			if bad := c.seen.watch.End(); bad != nil {
				err = bad
			}
		}
		n += held
		if s := c.check(ctx, response, err); s != nil || c.settled {
			if passed {
				c.abort(response, s)
			}
			return s
		}
		if err != nil { // the proper end
			return c.endWhole(response, piece[:n], passed)
		}
		if n < 2 {
			held = n
			continue
		}
		if !passed {
			passed = true
			c.commitWhole(response)
		}
		if c.answer.write(piece[:n-1], true) != nil {
			c.cancelled()
			return nil
		}
		piece[0], held = piece[n-1], 1
	}
}
