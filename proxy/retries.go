package proxy

import (
	"sync"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

const (
	// usualBudget is how many attempts beyond the first a model may make where it does not say, in percent of its calls.
	usualBudget = 10
	// retryReserve is how many of these may be saved up, and what a model begins with: one failing provider is found out
	// within as many.
	retryReserve = 20
	// retryTrickle is how many a second come beside the share of the calls, so that a quiet model can fail over too.
	retryTrickle = 1
	// maxBudgets is how many models have a budget of their own. Callers can ask for as many names as they like.
	maxBudgets = 4096
	// doingWell is the share of failures below which a target can take what another one dropped.
	doingWell = 0.1
)

// retries holds each model to a budget of attempts beyond a call's first, so that many failures do not become a storm of
// attempts: where all providers of a model are down, they are asked only a tenth more often than callers ask. What goes
// to a target that is doing well is not counted: it moves load and adds none.
type retries struct {
	mu sync.Mutex
	of map[string]*budgetOfRetries // by model
}

type budgetOfRetries struct {
	percent int
	left    float64
	at      time.Time // when it was right
}

// called adds a call's share to the budget of its model.
func (r *retries) called(model string, percent int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.of[model]
	if b == nil {
		b = r.add(model, now)
	}
	b.percent = percent
	b.left = min(b.left+float64(percent)/100, retryReserve)
}

// take takes one attempt of the budget, or reports false where none is left.
func (r *retries) take(model string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.of[model]
	if b == nil {
		b = r.add(model, now)
	}
	if passed := now.Sub(b.at); passed > 0 { // a clock that is set back adds nothing
		b.left = min(b.left+passed.Seconds()*retryTrickle, retryReserve)
	}
	b.at = now
	if b.left < 1 || b.percent == 0 {
		return false
	}
	b.left--
	return true
}

// add makes a full budget. Where there are too many, one that is chosen by chance begins anew when it is next needed.
func (r *retries) add(model string, now time.Time) *budgetOfRetries {
	if r.of == nil {
		r.of = map[string]*budgetOfRetries{}
	}
	if len(r.of) >= maxBudgets {
		for other := range r.of {
			delete(r.of, other)
			break
		}
	}
	b := &budgetOfRetries{percent: usualBudget, left: retryReserve, at: now}
	r.of[model] = b
	return b
}

// budgetOf is the budget of a model in percent; a name that only providers list has no model.
func budgetOf(m *snapshot.Model) int {
	if m == nil {
		return usualBudget
	}
	return m.RetryBudget
}

// mayRetry reports whether the call may try one more target.
func (c *call) mayRetry(t *routing.Target, now time.Time) bool {
	if c.attempts.count == 0 {
		return true
	}
	s := c.p.o.Health.Look(t.Health(), now)
	if known, failing := s.Stats.Reliability(now); s.State == health.Closed && known >= 1 && failing < doingWell {
		return true
	}
	return c.p.retries.take(c.target, now)
}
