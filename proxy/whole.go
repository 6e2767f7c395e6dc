package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/usage"
)

// pieceSize is how much of an answer that is not streamed is read before it is passed on. An answer that fits into one
// piece can be tried elsewhere until its very end.
const pieceSize = 32 << 10

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// whole forwards an answer that is not streamed. It stays one piece behind the vendor, so that the last one goes out when
// the call is booked.
func (c *call) whole(ctx context.Context, response *http.Response) *setback {
	if !c.answer.body() {
		return malformed(response.StatusCode)
	}
	piece, ahead := pieces.Get().(*[pieceSize]byte), (*[pieceSize]byte)(nil)
	defer func() {
		pieces.Put(piece)
		if ahead != nil {
			pieces.Put(ahead)
		}
	}()
	n, err := c.readPiece(response.Body, piece)
	if s := c.check(ctx, response, err); s != nil || c.settled {
		return s
	}
	passed := false
	for err == nil { // more is to come
		if !passed {
			c.commitWhole(response)
			passed = true
			ahead = pieces.Get().(*[pieceSize]byte)
		}
		var more int
		more, err = c.readPiece(response.Body, ahead)
		if s := c.check(ctx, response, err); s != nil || c.settled {
			c.abort(response, s)
		}
		if more == 0 && err != nil {
			break // the piece at hand turned out to be the last
		}
		if c.answer.write(piece[:n], false) != nil {
			c.cancelled()
			return nil
		}
		piece, ahead, n = ahead, piece, more
	}
	return c.endWhole(response, piece[:n], passed)
}

// endWhole books the call and sends what was held back.
func (c *call) endWhole(response *http.Response, rest []byte, passed bool) *setback {
	c.remember(c.seen.watch.ResponseID())
	c.attempts.note(response.StatusCode, "")
	if !c.settle(usage.OK, response.StatusCode, "") {
		c.fail(c.unbooked())
		return nil
	}
	if !passed {
		c.commitWhole(response)
	}
	_ = c.answer.write(rest, false) // booked either way
	return nil
}

// readPiece fills a piece and shows it to the reading. The error is nil where more may come, io.EOF at the proper end of a
// well-formed answer.
func (c *call) readPiece(from io.Reader, piece *[pieceSize]byte) (n int, err error) {
	for n < pieceSize && err == nil {
		var got int
		got, err = from.Read(piece[n:])
		n += got
		c.answer.read()
	}
	if _, bad := c.seen.watch.Write(piece[:n]); bad != nil {
		return n, bad
	}
	if errors.Is(err, io.EOF) {
		if bad := c.seen.watch.End(); bad != nil {
			return n, bad
		}
	}
	return n, err
}

// check is the setback that a read error or an error within the answer amounts to. A caller who is gone is settled.
func (c *call) check(ctx context.Context, response *http.Response, err error) *setback {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) && c.seen.watch.Error() == nil:
		return nil
	case errors.Is(err, io.EOF):
		s := complained(c.seen.watch.Error(), c.attempts.target().Route.Provider)
		if s.failure.header != nil {
			s.failure.header = response.Header
		}
		return s
	case c.gone():
		c.cancelled()
		return nil
	}
	if s := ownSetback(ctx); s != nil {
		return s
	}
	if errors.Is(err, dialect.ErrMalformed) {
		return malformed(response.StatusCode)
	}
	return cut(response.StatusCode)
}

// abort cuts the connection after the commit point: half a body must not pass for a whole one.
func (c *call) abort(response *http.Response, s *setback) {
	if s != nil {
		c.attempts.current.end(s.class(), 0, 0)
		c.attempts.note(response.StatusCode, s.failure.reason())
		c.settle(usage.Truncated, response.StatusCode, s.failure.reason())
	}
	panic(http.ErrAbortHandler)
}

// commitWhole is the commit point of an answer that is not streamed.
func (c *call) commitWhole(response *http.Response) {
	c.answer.commit(response.StatusCode, func(h http.Header) {
		callerHeader(h, response.Header)
		if response.ContentLength >= 0 {
			h["Content-Length"] = []string{strconv.FormatInt(response.ContentLength, 10)}
		}
		c.name(h)
	})
}
