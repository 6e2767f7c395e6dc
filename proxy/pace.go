package proxy

import (
	"context"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/keypool"
	"aihigress/internal/limit"
	"aihigress/internal/routing"
	"aihigress/internal/usage"
)

// codeBusy is the code of a call that no vendor key had room for.
const codeBusy = "upstream_busy"

// rooms is how vendor keys, and providers, are asked for room for the attempts of one call.
type rooms struct {
	*call
	insist bool // whatever vendors said of their limits
}

func (c *call) rooms() rooms { return rooms{c, c.attempts.insist} }

// held is the room that an attempt has.
type held struct{ key, provider *limit.Lease }

// enter takes room at the provider and the key of a target, or reports that there is none, and notes how long.
func (a *progress) enter(r rooms, t *routing.Target) (held, bool) {
	provider, wait, refusal := r.visit(t, false)
	if wait > 0 {
		a.waits(wait, refusal)
		return held{}, false
	}
	keys, prompt, output := r.p.o.Keys, r.prompt, r.facts.MaxTokens
	var key *keypool.Lease
	if r.insist {
		key, wait = keys.Insist(r.ctx, t.Key, prompt, output)
	} else {
		key, wait = keys.Take(r.ctx, t.Key, t.Route.UpstreamID, prompt, output)
	}
	if wait > 0 {
		provider.Return()
		a.waits(wait, nil)
		return held{}, false
	}
	return held{key, provider}, true
}

// waits notes for how long a target has no room, and for which of its provider's limits, if for one.
func (a *progress) waits(wait time.Duration, refusal *limit.Refusal) {
	if a.wait == 0 || wait < a.wait {
		a.wait, a.refusal = wait, refusal
	}
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
	a.leave(limit.Use{}) // what all use is counted at the end, with the last
	key, model := a.target.Key, a.target.Route.UpstreamID
	for {
		provider, wait, _ := c.visit(a.target, true)
		if wait == 0 {
			var lease *limit.Lease
			if lease, wait = c.p.o.Keys.Take(ctx, key, model, 0, 0); wait == 0 {
				a.held = held{lease, provider}
				return true
			}
			provider.Return()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
}

// leave gives back the room of an attempt that used so many tokens. Only the first word counts.
func (a *attempt) leave(used limit.Use) {
	a.held.key.Finish(used)
	a.held.provider.Finish(used)
	a.held = held{}
}

// busy refuses a call that no vendor key had room for, or no provider.
func (c *call) busy() {
	err := fault.New(fault.Limited, "The providers of this model are called as often as their keys allow.").WithCode(codeBusy).After(c.attempts.wait)
	if r := c.attempts.refusal; r != nil {
		err = r.Fault()
		of := tokenRate
		if r.Limit.What == limit.Requests {
			of = requestRate
		}
		rateHeader(c.w.Header(), of, r.Stands)
	}
	f := describe(err, c.requestID)
	c.settle(usage.Refused, f.Status, f.Code)
	c.fail(&f)
}
