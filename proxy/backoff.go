package proxy

import (
	"math/rand/v2"
	"time"

	"aihigress/internal/health"
)

const (
	// maxRepeats is how often a call asks a target again that could not be connected to.
	maxRepeats = 2
	// firstBackoff is how long it waits before the first time at most; each wait may be twice as long as the one before.
	firstBackoff = 200 * time.Millisecond
)

// again waits a moment and then tries the target that failed last once more: where no other is left, the
// vendor has not seen the request, and what failed was the connection, which is often there again at once. In all other
// cases it is nil, since what failed is not asked twice.
func (c *call) again(last *setback) *attempt {
	a := &c.attempts
	if last == nil || !last.unsent || a.repeats == maxRepeats || !c.p.retries.take(c.target, c.p.o.Health.Now()) {
		return nil
	}
	longest := firstBackoff << a.repeats
	wait := longest/2 + rand.N(longest/2)
	a.repeats++
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
		if c.gone() {
			c.left()
		}
		return nil
	}
	target := a.current.target
	attempt, inUse := c.p.o.Health.Begin(target.Health(), false)
	if !inUse {
		return nil
	}
	slot, free := c.p.o.Gate.Take(target.Health())
	live := watch{attempt, slot}
	if !free {
		live.End(health.Result{Class: health.Cancelled})
		return nil
	}
	held, ok := a.enter(c.rooms(), target)
	if !ok {
		live.End(health.Result{Class: health.Cancelled})
		return nil
	}
	return a.room(target, live, held)
}
