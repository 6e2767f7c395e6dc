package proxy

import (
	"context"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/keypool"
	"aihigress/internal/routing"
	"aihigress/internal/usage"
)

// codeBusy is the code of a call that no vendor key had room for.
const codeBusy = "upstream_busy"

// rooms is how vendor keys are asked for room for the attempts of one call.
type rooms struct {
	ctx            context.Context
	keys           *keypool.Pool
	prompt, output int64 // tokens
	insist         bool  // whatever vendors said of their limits
}

func (c *call) rooms() rooms {
	return rooms{c.ctx, c.p.o.Keys, c.prompt, c.facts.MaxTokens, c.attempts.insist}
}

// enter takes room at the key of a target, or reports that there is none, and notes how long.
func (a *progress) enter(r rooms, t *routing.Target) (*keypool.Lease, bool) {
	var held *keypool.Lease
	var wait time.Duration
	if r.insist {
		held, wait = r.keys.Insist(r.ctx, t.Key, r.prompt, r.output)
	} else {
		held, wait = r.keys.Take(r.ctx, t.Key, t.Route.UpstreamID, r.prompt, r.output)
	}
	if wait > 0 && (a.wait == 0 || wait < a.wait) {
		a.wait = wait
	}
	return held, wait == 0
}

// insists has targets tried once more whose keys had no room: where no other has any, what vendors said of their limits is
// theirs to enforce. It reports false where there are none, or that was done.
func (a *progress) insists() bool {
	if a.insist || a.roomless == 0 {
		return false
	}
	a.insist = true
	a.out &^= a.roomless
	return true
}

// reenter waits for room for one more call of the present attempt, whose last one is over. It reports false where ctx ends
// before there is any.
func (c *call) reenter(ctx context.Context) bool {
	a := c.attempts.current
	a.held.Keep()
	a.held = nil
	key, model := a.target.Key, a.target.Route.UpstreamID
	for {
		held, wait := c.p.o.Keys.Take(ctx, key, model, 0, 0) // the tokens of all were taken at first
		if wait == 0 {
			a.held = held
			return true
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
}

// leave gives back the room of an attempt that used so many tokens. Only the first word counts.
func (a *attempt) leave(used int64) {
	a.held.Finish(a.ctx, used)
	a.held = nil
}

// busy refuses a call that no vendor key has room for.
func (c *call) busy() {
	f := describe(fault.New(fault.Limited, "The providers of this model are called as often as their keys allow.").
		WithCode(codeBusy).After(c.attempts.wait), c.requestID)
	c.settle(usage.Refused, f.Status, f.Code)
	c.fail(&f)
}
