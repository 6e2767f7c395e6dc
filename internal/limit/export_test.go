package limit

import (
	"context"
	"runtime"
	"time"

	"aihigress/internal/id"
)

// Limits are those that gateway keys have most often.
type Limits struct{ RequestsPerMinute, TokensPerMinute, Concurrency int64 }

// AdmitKey is Admit for a key's call of so many tokens.
func (l *Limiter) AdmitKey(ctx context.Context, key id.Key, limits Limits, tokens int64) (*Lease, State, error) {
	claims := [...]Claim{{Subject{Of: "key", ID: key.UUID}, "This key is", []Limit{
		{What: Requests, Amount: limits.RequestsPerMinute, Window: time.Minute},
		{What: Tokens, Amount: limits.TokensPerMinute, Window: time.Minute},
		{What: Calls, Amount: limits.Concurrency},
	}}}
	return l.Admit(ctx, Use{Tokens: tokens}, claims[:])
}

// Wait has the limiter wait for Redis, and for other nodes, on a machine that is busy with other tests.
func (l *Limiter) Wait(redis, others time.Duration) *Limiter {
	l.recallWait = others
	return l.Patience(redis)
}

// By has Redis go by another clock, in milliseconds.
func (l *Limiter) By(clock func() int64) *Limiter {
	l.redisClock = clock
	return l
}

// Tend does what Run does every second, and settles before and behind it: what Run itself has on its way may bring a lease
// that is to be looked after as well.
func (l *Limiter) Tend() {
	l.Settle()
	l.tend(false)
	l.Settle()
}

// Settle has Redis asked what waits, until all of it is answered.
func (l *Limiter) Settle() {
	for l.asks() {
		l.converse(context.Background())
		runtime.Gosched()
	}
}

// asks reports whether something was asked that is not answered.
func (l *Limiter) asks() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.byKey {
		if c.asking != nil || c.queued {
			return true
		}
	}
	return false
}

// Nodes is how many nodes it has seen.
func (l *Limiter) Nodes() int64 { return l.nodes.Load() }

// Known is how many limits it keeps in mind.
func (l *Limiter) Known() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byKey)
}
