package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"aihigress/internal/sse"
	"aihigress/internal/usage"
)

const (
	// maxHeld bounds what is held back before the commit point, in bytes. What comes before content is a few hundred.
	maxHeld = 64 << 10
	// drainTime is how long a vendor may take to end the response after the event that ends the stream. A connection that
	// is read to the end serves the next call.
	drainTime = 250 * time.Millisecond
)

// A relay forwards one event stream.
type relay struct {
	c        *call
	ctx      context.Context
	cancel   context.CancelCauseFunc
	response *http.Response
	events   *sse.Reader
	way      *way
	crlf     bool   // lines end with CR and LF
	partial  bool   // the last event that passed has no end
	held     []byte // events before the commit point
	waiting  []byte // passed, but not written: there is more of what was read with it
	passed   bool   // the commit point
	holds    bool   // no event ends the stream: the one that may be the last is held back until it is known
	last     []byte // that event
}

// run forwards until the stream ends, one way or another. A setback says that the commit point was not reached.
func (r *relay) run() *setback {
	r.events = sse.NewReader(r.response.Body, 0)
	defer r.events.Close()
	for {
		event, err := r.events.Next()
		if len(event.Raw) > 0 {
			r.notice(event.Raw, err != nil)
			if over, s := r.take(event, err != nil); over {
				return s
			}
		}
		if err != nil {
			return r.ended(err)
		}
	}
}

// notice sees how the lines of the stream end, and whether it broke off within an event.
func (r *relay) notice(raw []byte, partial bool) {
	r.partial = partial
	if !r.crlf && bytes.HasSuffix(raw, []byte("\r\n\r\n")) {
		r.crlf = true
		r.c.answer.endsLines(true)
	}
}

// take deals with one event; a partial one is what was left when the stream ended.
func (r *relay) take(event sse.Event, partial bool) (over bool, _ *setback) {
	if event.Kind != sse.Message || len(bytes.TrimSpace(event.Data)) == 0 {
		return r.pass(event.Raw)
	}
	chunk, err := r.c.seen.watch.Event(event.Data)
	switch {
	case err != nil && partial:
		r.partial = false
		return false, nil // half an event: why the stream ended is the news
	case err != nil:
		return true, r.broke(malformed(r.response.StatusCode))
	case chunk.Error != nil:
		return true, r.broke(complained(chunk.Error, r.c.attempts.target().Route.Provider))
	case chunk.Done && !r.passed && !chunk.Content && !chunk.Finish:
		return true, malformed(r.response.StatusCode)
	case chunk.Done:
		r.commit()
		r.finish(append(r.held, event.Raw...))
		return true, nil
	case chunk.UsageOnly && r.way.withhold:
		return r.pass(nil)
	case chunk.Content, chunk.Finish:
		r.c.seen.finished = r.c.seen.finished || chunk.Finish
		r.commit()
	}
	if r.holds && r.c.seen.finished {
		before := r.last
		r.last = append([]byte(nil), event.Raw...)
		return r.pass(before)
	}
	return r.pass(event.Raw)
}

// pass forwards bytes, or holds them back before the commit point. Nothing is passed for an event that is withheld, since
// those before it may wait to be flushed.
func (r *relay) pass(raw []byte) (over bool, _ *setback) {
	if !r.passed {
		r.held = append(r.held, raw...)
		if len(r.held) <= maxHeld {
			return false, nil
		}
		r.commit()
		raw = nil
	}
	return r.write(raw)
}

// write passes bytes on, together with all else that was read with them: each event by itself would cost a stream of small
// ones more than looking into them. Nothing waits for what has yet to come.
func (r *relay) write(raw []byte) (over bool, _ *setback) {
	if len(r.held) > 0 {
		raw = append(r.held, raw...)
		r.held = nil
	}
	together, ok := sse.Join(r.waiting, raw)
	if !ok {
		if r.send(false) != nil {
			r.c.cancelled()
			return true, nil
		}
		together = raw
	}
	r.waiting = together
	more := r.events.Ready()
	if (!more || len(together) >= maxBatch) && r.send(!more) != nil {
		r.c.cancelled()
		return true, nil
	}
	return false, nil
}

// send writes what waits to be written.
func (r *relay) send(flush bool) error {
	waiting := r.waiting
	r.waiting = nil
	if len(waiting) == 0 && !flush {
		return nil
	}
	return r.c.answer.write(waiting, flush)
}

// commit is the commit point: from here on nothing can be tried elsewhere.
func (r *relay) commit() {
	if r.passed {
		return
	}
	r.passed = true
	r.c.event.FirstToken = time.Since(r.c.event.StartedAt)
	r.c.attempts.current.live.First()
	r.c.answer.commit(r.response.StatusCode, func(h http.Header) {
		callerHeader(h, r.response.Header)
		if h.Get("Content-Type") == "" {
			sse.SetHeader(h)
		}
		h.Set("X-Accel-Buffering", "no")
		r.c.name(h)
	})
}

// finish books the call and only then sends the event that ends the stream.
func (r *relay) finish(raw []byte) {
	_ = r.send(false) // booked either way
	r.c.remember(r.c.seen.watch.ResponseID())
	r.c.attempts.note(r.response.StatusCode, "")
	if r.c.settle(usage.OK, r.response.StatusCode, "") {
		_ = r.c.answer.finish(raw, over(r.events)) // booked either way
	} else {
		r.c.fail(r.c.unbooked())
	}
	drain(r.events, r.cancel)
}

// over reports whether a stream ended with what was read of it, behind its last event.
func over(events *sse.Reader) bool {
	for events.Ready() {
		if _, err := events.Next(); err != nil {
			return true
		}
	}
	return false
}

// drain reads a stream to its end, behind its last event, unless that takes long.
func drain(events *sse.Reader, cancel context.CancelCauseFunc) {
	if over(events) {
		return
	}
	stop := time.AfterFunc(drainTime, func() { cancel(nil) })
	defer stop.Stop()
	for {
		if _, err := events.Next(); err != nil {
			return
		}
	}
}

// ended deals with a stream that stopped without its last event.
func (r *relay) ended(err error) *setback {
	if r.c.gone() {
		r.c.cancelled()
		return nil
	}
	_ = r.send(false) // it ends either way
	s := ownSetback(r.ctx)
	switch {
	case s != nil:
	case errors.Is(err, io.EOF) && r.c.seen.finished:
		// Every choice ended, and so did the response, properly: this vendor sends nothing that ends a stream.
		r.c.attempts.note(r.response.StatusCode, "")
		if r.c.settle(usage.OK, r.response.StatusCode, "") {
			_ = r.c.answer.finish(r.last, true) // booked either way
		} else {
			r.c.fail(r.c.unbooked())
		}
		return nil
	default:
		s = cut(r.response.StatusCode)
	}
	return r.broke(s)
}

// broke is a setback before the commit point; after it, the caller is told that the answer is not whole.
func (r *relay) broke(s *setback) *setback {
	if !r.passed {
		if s.failure.header != nil {
			s.failure.header = r.response.Header
		}
		return s
	}
	if r.c.gone() {
		r.c.cancelled()
		return nil
	}
	_ = r.send(false)
	if r.partial {
		_ = r.c.answer.write([]byte("\n\n"), false) // else the event that tells the failure would go on with its lines
	}
	r.c.attempts.current.end(s.class(), 0, 0)
	r.c.attempts.note(r.response.StatusCode, s.failure.reason())
	r.c.settle(usage.Truncated, r.response.StatusCode, s.failure.reason())
	r.c.fail(&s.failure)
	return nil
}

// malformed is the setback of an answer that cannot be understood.
func malformed(status int) *setback {
	return &setback{scope: ofProvider, status: status,
		failure: ours(http.StatusBadGateway, "upstream_error", codeMalformed, "The provider's answer could not be understood.")}
}

// cut is the setback of an answer that broke off.
func cut(status int) *setback {
	return &setback{scope: ofProvider, status: status,
		failure: ours(http.StatusBadGateway, "upstream_error", codeTruncated, "The provider's answer broke off before its end.")}
}

// tooLong is the setback of an answer that does not fit into bounded memory.
func tooLong(status int) *setback {
	return &setback{scope: ofProvider, status: status,
		failure: ours(http.StatusBadGateway, "upstream_error", codeTooLong, "The provider's answer is larger than the gateway can translate.")}
}
