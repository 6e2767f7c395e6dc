package limit

import (
	"math"
	"strconv"
	"time"
)

// A cell is one limit of one subject as this node knows it. All of it is guarded by the limiter's lock.
type cell struct {
	subject Subject
	what    What
	window  time.Duration
	limit   Limit  // as it was last claimed
	key     string // in Redis
	field   string // of this node there

	have    int64 // what may be taken without asking; below zero is owed
	lease   int64 // what it was when Redis last answered, slots in use included
	running int64 // slots in use
	used    int64 // of a rate, ever
	told    int64 // how much of used Redis knows
	expires time.Time

	// What Redis said.
	free     int64   // left for everybody
	debt     float64 // used of the bucket
	others   int64   // leased by other nodes
	answered time.Time
	dry      time.Time // until then it is not asked for more than there is
	vain     time.Time // until then others are not asked to give back what they do not use

	alone  bucket // what this node let through, for when Redis is away
	burst  int64  // used since the last beat
	pace   int64  // used per beat
	peak   int64  // of running, of late
	open   int    // calls that hold some of it
	last   time.Time
	wanted demand
	asking *round // with the question of this cell
	queued bool   // in the round that comes
	quiet  bool   // its next question asks for no more than who waits needs
}

// A demand is what calls wait for.
type demand struct{ least, sum int64 }

// key is where Redis keeps a limit.
func key(s Subject, l *Limit) string {
	return "aihigress:limit:{" + s.name() + "}:" + strconv.Itoa(int(l.What)) + ":" + strconv.FormatInt(l.Window.Milliseconds(), 10)
}

func (c *cell) is(l *Limit) bool { return c.what == l.What && c.window == l.Window }

// cell finds or makes the cell of a limit.
func (l *Limiter) cell(s Subject, limit *Limit) *cell {
	for _, c := range l.cells[s] {
		if c.is(limit) {
			return c
		}
	}
	if len(l.byKey) >= maxCells {
		l.forgetSome()
	}
	l.made++
	c := &cell{
		subject: s, what: limit.What, window: limit.Window, limit: *limit,
		key:   key(s, limit),
		field: l.node + "." + strconv.FormatInt(l.made, 36),
	}
	l.cells[s] = append(l.cells[s], c)
	l.byKey[c.key] = c
	return c
}

// forget drops a cell that no call holds.
func (l *Limiter) forget(c *cell) {
	delete(l.byKey, c.key)
	all := l.cells[c.subject]
	if len(all) == 1 {
		delete(l.cells, c.subject)
		return
	}
	rest := make([]*cell, 0, len(all)-1)
	for _, other := range all {
		if other != c {
			rest = append(rest, other)
		}
	}
	l.cells[c.subject] = rest
}

// forgetSome makes room for new cells. What they had leased counts as used.
func (l *Limiter) forgetSome() {
	const some = 64
	n := 0
	for _, c := range l.byKey {
		if c.open == 0 && c.asking == nil && !c.queued {
			l.forget(c)
			if n++; n == some {
				return
			}
		}
	}
}

// claim takes note of the limit as a call has it. Where it was lowered all that is idle goes back, so that the nodes share
// what is left by the new amount.
func (c *cell) claim(limit *Limit, now time.Time) {
	c.last = now
	if c.expired(now) {
		c.lapse()
	}
	if c.limit.Amount != limit.Amount {
		if limit.Amount < c.limit.Amount {
			c.have = min(c.have, 0) // the next question gives it back
		}
		c.free, c.dry, c.vain = 0, time.Time{}, time.Time{}
	}
	c.limit = *limit
}

func (c *cell) expired(now time.Time) bool { return c.lease > 0 && !now.Before(c.expires) }

// lapse gives up a lease that was not renewed. Redis counts it as used once another node finds it there.
func (c *cell) lapse() {
	c.have, c.lease = min(c.have, 0), 0
	c.told = c.used + c.have // what was used beyond the lease is still to be told
	if c.what == Calls {
		c.have = -c.running
	}
}

// need is what a call takes of the limit. More than there ever is would wait forever.
func (c *cell) need(use Use) int64 { return min(use.of(c.what), c.limit.Amount) }

// take is a call that passes.
func (c *cell) take(n int64, now time.Time) {
	c.open++
	if c.what == Calls {
		c.have--
		c.running++
		c.peak = max(c.peak, c.running)
		return
	}
	c.took(n, now)
}

// took counts units of a rate as used, or not used where n is below zero.
func (c *cell) took(n int64, now time.Time) {
	c.have -= n
	c.used += n
	c.burst += n
	c.alone.fill(c.limit.Amount, c.window, now)
	c.alone.debt = max(c.alone.debt+float64(n), 0)
}

// goal is how much is worth having leased, slots in use included.
func (c *cell) goal() int64 {
	if c.what == Calls {
		most := c.running + c.wanted.sum
		return max(c.peak, most+most/4)
	}
	return min(2*max(c.pace, c.burst, c.wanted.sum, 1), c.limit.Amount)
}

// low reports whether it is time to lease more, ahead of need.
func (c *cell) low(now time.Time) bool {
	return c.what != Calls && 2*c.have < c.lease && c.free > 0 && now.After(c.dry)
}

// refilled is what flowed back into the bucket since Redis answered.
func (c *cell) refilled(now time.Time) float64 {
	if c.what == Calls {
		return 0
	}
	return min(c.debt, max(now.Sub(c.answered), 0).Seconds()/c.window.Seconds()*float64(c.limit.Amount))
}

// left is what the limit leaves, over all nodes but for what others have leased.
func (c *cell) left(now time.Time) float64 {
	if c.answered.IsZero() { // Redis was never asked
		if c.what == Calls {
			return float64(c.limit.Amount - c.running)
		}
		alone := c.alone
		alone.fill(c.limit.Amount, c.window, now)
		return float64(c.limit.Amount) - alone.debt
	}
	return min(float64(max(c.have, 0)+c.free)+c.refilled(now), float64(c.limit.Amount))
}

// stand is what the headers of an answer say.
func (c *cell) stand(now time.Time, share int64, away bool) Window {
	amount, left := c.limit.Amount, c.left(now)
	if away {
		amount = share
		left = float64(share) - min(c.alone.debt, float64(share))
	}
	left = max(left, 0)
	return Window{Limit: amount, Remaining: int64(left), Reset: fills(float64(amount)-left, amount, c.window)}
}

// until is how long the limit takes to have n, by what is known; zero where nobody knows.
func (c *cell) until(n int64, now time.Time) time.Duration {
	if c.what == Calls {
		return 0
	}
	return fills(float64(n-c.have-c.free)-c.refilled(now), c.limit.Amount, c.window)
}

// fills is how long a bucket takes to fill by n.
func fills(n float64, amount int64, window time.Duration) time.Duration {
	if n <= 0 || amount <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(min(n/float64(amount), 2) * float64(window)))
}

// A bucket is what one node has used of a rate. The zero value has used nothing.
type bucket struct {
	debt float64
	at   time.Time
}

// fill takes off what flowed in since the last look.
func (b *bucket) fill(amount int64, window time.Duration, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 && !b.at.IsZero() { // a clock that is set back adds nothing
		b.debt = max(0, b.debt-passed.Seconds()/window.Seconds()*float64(amount))
	}
	b.at = now
}

// passesAlone is the rule while Redis is away: it reports whether the call keeps within this node's share, and how long it
// would take.
func (c *cell) passesAlone(n, share int64, now time.Time) (bool, time.Duration) {
	if c.limit.Away == Closed {
		return false, 0
	}
	if c.what == Calls {
		return c.running < share, 0
	}
	c.alone.fill(share, c.window, now)
	c.alone.debt = min(c.alone.debt, float64(share))
	n = min(n, share)
	return c.alone.debt+float64(n) <= float64(share), fills(c.alone.debt+float64(n-share), share, c.window)
}
