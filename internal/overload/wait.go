package overload

import (
	"context"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
)

// A Cause is why a call may not wait for a slot, or did so in vain.
type Cause uint8

// The causes.
const (
	TooManyOfKey Cause = iota // the gateway key has its share of all that may wait
	TooMany                   // all that may wait do
	TooLong                   // no slot came free in time
	causes
)

// Causes is every cause.
var Causes = [causes]Cause{TooManyOfKey, TooMany, TooLong}

var causeText = [causes]string{TooManyOfKey: "too_many_of_key", TooMany: "too_many", TooLong: "too_long"}

// String is the cause in a word, for programs.
func (c Cause) String() string { return causeText[c] }

// A Refusal is the error of a call that gets no slot.
type Refusal struct {
	Cause      Cause
	RetryAfter time.Duration // until there is room again, by the rate at which slots came free
}

// Error implements error.
func (r *Refusal) Error() string { return "no slot at any target: " + r.Cause.String() }

const (
	// shortest and longest bound what is said of when there is room again: the rate of a moment says little of an hour.
	shortest = time.Second
	longest  = time.Minute
	// look is how often a call that waits looks for itself: limits grow by time, when nothing else happens.
	look = 250 * time.Millisecond
)

// A waiter is a call that waits. The lock of the gate guards it until granted is closed.
type waiter struct {
	key     id.Key
	at      []*target // it waits for; nil when it no longer does
	granted chan struct{}
	slot    Slot
}

// Wait waits for a slot at any of the targets, at most so long, as a call of a gateway key. The error is a *Refusal, or why
// ctx ended. A key may have as many calls waiting as there is room left for others', so that whoever comes next finds some:
// alone it has half of it, and n that all send too much have an equal part each.
func (g *Gate) Wait(ctx context.Context, key id.Key, targets []health.Target, patience time.Duration) (Slot, error) {
	w := &waiter{key: key, granted: make(chan struct{})}
	if slot, err := g.enqueue(w, targets); err != nil || slot.target != nil {
		return slot, err
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-w.granted:
			return w.slot, nil
		case <-tick.C:
			g.look(w)
		case <-timeout.C:
			return g.leave(w, nil)
		case <-ctx.Done():
			return g.leave(w, context.Cause(ctx))
		}
	}
}

// enqueue puts the call into the queues, unless a slot has come free meanwhile, or it may not wait.
func (g *Gate) enqueue(w *waiter, targets []health.Target) (Slot, error) {
	now := g.o.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	at := make([]*target, 0, len(targets))
	for _, of := range targets {
		t := g.target(of, now)
		if slot, ok := g.take(t, now); ok {
			return slot, nil
		}
		at = append(at, t)
	}
	switch room := g.o.Waiting - g.waiting; {
	case room <= 0:
		return Slot{}, g.refuse(TooMany, w.key, at, now)
	case g.byKey[w.key] >= room:
		return Slot{}, g.refuse(TooManyOfKey, w.key, at, now)
	}
	w.at = at
	g.waiting++
	g.byKey[w.key]++
	for _, t := range at {
		t.queue.add(w)
	}
	return Slot{}, nil
}

// serve gives the free slots of a target to those who wait for it.
func (g *Gate) serve(t *target, now time.Time) {
	for t.queue.waiting > 0 && t.inFlight < t.limit.at(now) {
		w := t.queue.next()
		g.remove(w)
		w.slot = g.begin(t, now)
		close(w.granted)
	}
}

// remove takes a call out of all queues.
func (g *Gate) remove(w *waiter) {
	for _, t := range w.at {
		t.queue.remove(w)
	}
	w.at = nil
	g.waiting--
	if g.byKey[w.key]--; g.byKey[w.key] == 0 {
		delete(g.byKey, w.key)
	}
}

// look serves the targets that a call waits for.
func (g *Gate) look(w *waiter) {
	now := g.o.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range w.at { // which is not changed by the removal, but ends its use
		g.serve(t, now)
	}
}

// leave ends the wait: for the cause given, or for lack of patience. Where a slot was given at the same moment, a call that
// is still there takes it, and one that is not gives it back.
func (g *Gate) leave(w *waiter, gone error) (Slot, error) {
	now := g.o.Now()
	g.mu.Lock()
	waits := w.at != nil
	var refusal *Refusal
	if waits {
		if gone == nil {
			refusal = g.refuse(TooLong, w.key, w.at, now)
		}
		g.remove(w)
	}
	g.mu.Unlock()
	switch {
	case waits && gone == nil:
		return Slot{}, refusal
	case gone == nil:
		return w.slot, nil
	case !waits:
		w.slot.End(health.Cancelled)
	}
	return Slot{}, gone
}

// refuse counts a refusal and says when there is room again.
func (g *Gate) refuse(c Cause, key id.Key, at []*target, now time.Time) *Refusal {
	g.refused[c]++
	soonest := longest
	for _, t := range at {
		if wait := t.drain.until(t.queue.ahead(key), now); wait > 0 {
			soonest = min(soonest, wait)
		}
	}
	return &Refusal{Cause: c, RetryAfter: max(soonest, shortest)}
}
