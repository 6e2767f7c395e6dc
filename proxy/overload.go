package proxy

import (
	"errors"
	"net/http"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/overload"
	"aihigress/internal/routing"
	"aihigress/internal/usage"
)

// A watch is an attempt as the board watches it, in its slot at the gate. Its owner calls End, once.
type watch struct {
	attempt health.Attempt
	slot    overload.Slot
}

// First notes the first content of a stream.
func (w *watch) First() {
	w.attempt.First()
	w.slot.First()
}

// End counts the attempt and gives its slot back. Later calls do nothing.
func (w *watch) End(r health.Result) {
	w.attempt.End(r) // first, so that whoever gets the slot knows
	w.slot.End(r.Class)
}

// Outpaced ends an attempt that another one was faster than.
func (w *watch) Outpaced() {
	w.attempt.Outpaced()
	w.slot.End(health.Cancelled)
}

// queueing is how a call waits for targets that are at their limit.
type queueing struct {
	full  uint32        // bits of the targets that are, as next found them
	until time.Time     // it waits; zero where it did not have to yet
	kept  overload.Slot // what it waited for, for next to take up
	over  error         // why it waits no longer: an *overload.Refusal, or the cause of the context
}

// slot takes a slot of a target: the one that was waited for, or one that is free.
func (q *queueing) slot(gate *overload.Gate, t health.Target) (overload.Slot, bool) {
	if q.kept.Of(t) {
		slot := q.kept
		q.kept = overload.Slot{}
		return slot, true
	}
	return gate.Take(t)
}

// drop gives back what was waited for and not taken up: its target went out of use, or a better one came free.
func (q *queueing) drop() { q.kept.End(health.Cancelled) }

// queue waits for a slot at one of the targets that are at their limit, and reports whether there is something to try now.
// However often a call waits, it does so for Options.Queue in all.
func (c *call) queue() bool {
	q := &c.attempts.line
	if q.full == 0 || q.over != nil {
		return false
	}
	if q.until.IsZero() {
		q.until = time.Now().Add(c.p.o.Queue)
	}
	var room [routing.MaxTargets]health.Target
	at := room[:0]
	for i := range c.plan {
		if q.full&(1<<i) != 0 {
			at = append(at, c.plan[i].Health())
		}
	}
	q.kept, q.over = c.p.o.Gate.Wait(c.ctx, c.key.ID, at, time.Until(q.until))
	if q.over != nil && c.gone() {
		c.left()
	}
	return q.over == nil
}

// left books a call whose caller went while it waited for its turn.
func (c *call) left() {
	status := statusClientClosed
	if c.answer.hasBegun() {
		status = http.StatusOK
	}
	c.seen.begin()
	c.attempts.current = nil // what failed attempts may have used is between us and the vendors
	c.settle(usage.Cancelled, status, codeCancelled)
}

// crowded refuses a call that found all targets at their limit: 429 where its key has too much waiting, 503 where everybody
// has, and 504 where its own time was over first.
func (c *call) crowded() {
	f := ours(http.StatusServiceUnavailable, "server_error", codeBusy, "The providers of this model have as much to do as they can. Try again later.")
	if refusal, ok := errors.AsType[*overload.Refusal](c.attempts.line.over); ok {
		f.retryAfter = seconds(refusal.RetryAfter)
		switch refusal.Cause {
		case overload.TooManyOfKey:
			f.Status, f.Type = http.StatusTooManyRequests, "rate_limit_error"
			f.Message = "Too many calls of this key wait for the providers of this model. Try again later."
		case overload.TooMany:
			f.Code = codeOverloaded
			f.Message = "Too many calls wait for providers. Try again later."
		case overload.TooLong:
		}
	} else if s := ownSetback(c.ctx); s != nil {
		f = s.failure
	}
	c.settle(usage.Refused, f.Status, f.Code)
	c.fail(&f)
}

// shed refuses new calls before their body is read while memory runs short.
func (c *call) shed() error {
	if !c.p.o.Memory.Full() {
		return nil
	}
	return fault.New(fault.Limited, "The gateway has too much in memory. Try again later.").WithCode(codeOverloaded).After(c.p.o.Memory.Refuse())
}
