package proxy

import (
	"sync"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
)

// codeBusy is the code of a call that no vendor key had room for.
const codeBusy = "upstream_busy"

// A pace holds vendor keys to their calls a second, on this node alone: n nodes make n times as many. A key may burst up to
// one second's worth. It is a cell rate algorithm: a key's time is when its calls so far would all have been due.
type pace struct {
	mu  sync.Mutex
	due map[id.ProviderKey]time.Time // of keys that have a limit and were used
}

// take lets a call with the key go and returns zero, or returns how long the key has no room.
func (p *pace) take(key *snapshot.ProviderKey, now time.Time) time.Duration {
	if key == nil || key.MaxQPS <= 0 {
		return 0
	}
	each := time.Second / time.Duration(key.MaxQPS)
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.due[key.ID]
	if due.Before(now) {
		due = now
	}
	if wait := due.Sub(now) - (time.Second - each); wait > 0 {
		return wait
	}
	if p.due == nil {
		p.due = map[id.ProviderKey]time.Time{}
	}
	p.due[key.ID] = due.Add(each)
	return 0
}

// busy refuses a call that no vendor key has room for.
func (c *call) busy() {
	f := describe(fault.New(fault.Limited, "The providers of this model are called as often as their keys allow.").
		WithCode(codeBusy).After(c.attempts.wait), c.requestID)
	c.settle(usage.Refused, f.Status, f.Code)
	c.fail(&f)
}
