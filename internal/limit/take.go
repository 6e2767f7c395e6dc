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

// take is Take. state gets where the call stands.
func (l *Limiter) take(ctx context.Context, use Use, claims []Claim, state *State) (*Lease, *Refusal, error) {
	if len(claims) == 0 {
		return nil, nil, nil
	}
	var picked [usual]hold
	var began, recalled time.Time // when it first had to ask, and found that others have what it wants
	late := false                 // Redis did not answer in time
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		now := l.clock()
		holds := l.pick(picked[:0], claims, use, now)
		if len(holds) == 0 {
			return nil, nil, nil
		}
		away := l.redis == nil || l.down || late
		worst, refusing, longest := passes, (*cell)(nil), time.Duration(0)
		for _, h := range holds {
			v, wait := h.cell.judge(h.n, l.share(h.cell.limit.Amount), now, away)
			if v == waits && !recalled.IsZero() && time.Since(recalled) >= l.recallWait {
				v, h.cell.vain = refuses, now.Add(vainFor)
			}
			if v == refuses && (refusing == nil || wait > longest) { // of several the last to have room
				refusing, longest = h.cell, wait
			}
			worst = max(worst, v)
		}
		switch worst {
		case passes:
			return l.pass(holds, now, away, state), nil, nil
		case refuses:
			l.tell(state, holds, refusing, now, away)
			return nil, l.refusal(refusing, claims, longest, now, away), nil
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
func (l *Limiter) pick(holds []hold, claims []Claim, use Use, now time.Time) []hold {
	for i := range claims {
		for j := range claims[i].Limits {
			limit := &claims[i].Limits[j]
			if limit.Amount <= 0 {
				continue
			}
			c := l.cell(claims[i].Subject, limit)
			c.claim(limit, now)
			holds = append(holds, hold{c, c.need(use)})
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

// refusal says that a call met a limit.
func (l *Limiter) refusal(c *cell, claims []Claim, wait time.Duration, now time.Time, away bool) *Refusal {
	r := &Refusal{Subject: c.subject, Limit: c.limit, Wait: wait, Shut: away && c.limit.Away == Closed}
	if c.what != Calls {
		r.Stands = c.stand(now, l.share(c.limit.Amount), away)
	}
	for i := range claims {
		if claims[i].Subject == c.subject {
			r.Says = claims[i].Says
		}
	}
	return r
}

// pass takes of all limits.
func (l *Limiter) pass(holds []hold, now time.Time, away bool, state *State) *Lease {
	lease := &Lease{limiter: l}
	lease.holds = append(lease.few[:0], holds...)
	for _, h := range holds {
		h.cell.take(h.n, now)
		if !away && h.cell.low(now) {
			l.queue(h.cell)
		}
	}
	l.tell(state, holds, nil, now, away)
	return lease
}

// tell fills in where the call stands.
func (l *Limiter) tell(state *State, holds []hold, refusing *cell, now time.Time, away bool) {
	if state == nil {
		return
	}
	var fixed *Window // of the limit that refused the call
	for _, h := range holds {
		if h.cell.what == Calls {
			continue
		}
		of := &state.Tokens
		if h.cell.what == Requests {
			of = &state.Requests
		}
		stands := h.cell.stand(now, l.share(h.cell.limit.Amount), away)
		tighter := stands.Remaining < of.Remaining || stands.Remaining == of.Remaining && stands.Reset > of.Reset
		if h.cell == refusing || of != fixed && (of.Limit == 0 || tighter) {
			*of = stands
		}
		if h.cell == refusing {
			fixed = of
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
