package limit

import (
	"context"
	"time"
)

// A verdict is what is to become of a call at one limit.
type verdict uint8

const (
	passes verdict = iota
	asks           // Redis may have more
	waits          // another node may give some back
	refuses
)

// take is Take. stand gets where the call stands at the limits of the first claim, in their order.
func (l *Limiter) take(ctx context.Context, tokens int64, claims []Claim, stand *[maxLimits]Window) (*Lease, *Refusal, error) {
	var picked [maxLimits]hold
	var began, recalled time.Time // when it first had to ask, and found that others have what it wants
	late := false                 // Redis did not answer in time
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		now := l.clock()
		holds := l.pick(picked[:0], claims, tokens, now)
		if len(holds) == 0 {
			return nil, nil, nil
		}
		away := l.redis == nil || l.down || late
		worst, refusal := passes, (*Refusal)(nil)
		for _, h := range holds {
			v, wait := h.cell.judge(h.n, l.share(h.cell.limit.Amount), now, away)
			if v == waits && !recalled.IsZero() && time.Since(recalled) >= l.recallWait {
				v, h.cell.vain = refuses, now.Add(vainFor)
			}
			if v == refuses && refusal == nil {
				refusal = &Refusal{Subject: h.cell.subject, Limit: h.cell.limit, Wait: wait}
			}
			worst = max(worst, v)
		}
		switch worst {
		case passes:
			return l.pass(holds, claims, now, away, stand), nil, nil
		case refuses:
			l.tell(stand, claims, now, away)
			return nil, refusal, nil
		case waits:
			if recalled.IsZero() {
				recalled = time.Now()
			}
		case asks:
		}
		if began.IsZero() {
			began = time.Now()
		}
		if worst == waits {
			if err := l.pause(ctx, time.Since(recalled)); err != nil {
				return nil, nil, err
			}
		}
		if err := l.ask(ctx, holds); err != nil {
			return nil, nil, err
		}
		late = time.Since(began) >= 2*l.wait
	}
}

// pick finds the cells of all limits.
func (l *Limiter) pick(holds []hold, claims []Claim, tokens int64, now time.Time) []hold {
	for i := range claims {
		for j := range claims[i].Limits {
			limit := &claims[i].Limits[j]
			if limit.Amount <= 0 || len(holds) == maxLimits {
				continue
			}
			c := l.cell(claims[i].Subject, limit)
			c.claim(limit, now)
			holds = append(holds, hold{c, c.need(tokens)})
		}
	}
	return holds
}

// judge says what is to become of a call that takes n.
func (c *cell) judge(n, share int64, now time.Time, away bool) (verdict, time.Duration) {
	switch {
	case c.have >= n:
		return passes, 0
	case away:
		ok, wait := c.passesAlone(n, share, now)
		if ok {
			return passes, 0
		}
		return refuses, wait
	case now.Before(c.dry) && n > c.have+c.free:
		if c.others >= n-c.have-c.free && !now.Before(c.vain) {
			return waits, c.until(n, now)
		}
		return refuses, c.until(n, now)
	}
	return asks, 0
}

// pass takes of all limits.
func (l *Limiter) pass(holds []hold, claims []Claim, now time.Time, away bool, stand *[maxLimits]Window) *Lease {
	lease := &Lease{limiter: l, n: len(holds)}
	for i, h := range holds {
		lease.holds[i] = h
		h.cell.take(h.n, now)
		if !away && h.cell.low(now) {
			l.queue(h.cell)
		}
	}
	l.tell(stand, claims, now, away)
	return lease
}

// tell fills in where the call stands.
func (l *Limiter) tell(stand *[maxLimits]Window, claims []Claim, now time.Time, away bool) {
	if stand == nil {
		return
	}
	for j := range claims[0].Limits {
		if limit := &claims[0].Limits[j]; limit.Amount > 0 && limit.What != Calls {
			stand[j] = l.cell(claims[0].Subject, limit).stand(now, l.share(limit.Amount), away)
		}
	}
}

// share is what this node may let through by itself: at least one of everything, or a small limit would be none.
func (l *Limiter) share(amount int64) int64 { return max(amount/max(l.nodes.Load(), 1), 1) }

// pause gives other nodes time to give back what they do not use, ever longer. The lock is not held meanwhile.
func (l *Limiter) pause(ctx context.Context, since time.Duration) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	timer := time.NewTimer(min(max(since, 2*time.Millisecond), l.recallWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask waits for an answer to what the call lacks. The lock is not held meanwhile.
func (l *Limiter) ask(ctx context.Context, holds []hold) error {
	var r *round
	for _, h := range holds {
		c := h.cell
		if c.have >= h.n {
			continue
		}
		if c.asking != nil { // what it brings may do
			r = c.asking
			continue
		}
		c.want(h.n)
		l.queue(c)
		if r == nil {
			r = l.next
		}
	}
	if r == nil {
		return nil
	}
	l.mu.Unlock()
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	var err error
	silent := false
	select {
	case <-r.done:
	case <-timer.C:
		silent = true
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.mu.Lock()
	l.down = l.down || silent
	return err
}

// want notes what a call waits for.
func (c *cell) want(n int64) {
	if c.wanted.least == 0 || n < c.wanted.least {
		c.wanted.least = n
	}
	c.wanted.sum = min(c.wanted.sum+n, c.limit.Amount)
}
