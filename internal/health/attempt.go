package health

import "time"

// An Attempt is one call of a target on its way. Its owner calls End, once; it is not for concurrent use. The zero value
// is an attempt that nobody watches.
type Attempt struct {
	board   *Board
	cell    *cell
	began   time.Time
	first   time.Time
	claimed [len(chain)]*Opening // of half-open circuits that this attempt tries
}

// A Result is how an attempt ended.
type Result struct {
	Class      Class
	RetryAfter time.Duration // what the vendor said; 0 where it did not
	Tokens     int64         // that were generated; 0 is unknown
}

// Begin starts an attempt, or reports false where the target is out of use: then another is to be tried. With force it is
// started all the same, for callers who have no other.
func (b *Board) Begin(t Target, force bool) (Attempt, bool) {
	now := b.o.Now()
	c := b.cell(t)
	a := Attempt{board: b, cell: c, began: now}
	c.lock.Lock()
	defer c.lock.Unlock()
	if !force {
		for _, circ := range c.chain {
			if circ == nil {
				continue
			}
			if o := circ.open.Load(); o != nil && (now.Before(o.Until) || circ.trying.Load()) {
				return Attempt{}, false
			}
		}
	}
	for i, circ := range c.chain {
		if circ == nil {
			continue
		}
		if o := circ.open.Load(); o != nil && !now.Before(o.Until) && circ.trying.CompareAndSwap(false, true) {
			a.claimed[i] = o
		}
	}
	c.inFlight.Add(1)
	c.began.Store(now.UnixNano())
	return a, true
}

// First notes the first content of a stream: whatever comes of it, the target answers. How long it took is learned at once:
// the stream may go on for minutes.
func (a *Attempt) First() {
	if a.cell == nil || !a.first.IsZero() {
		return
	}
	a.first = a.board.o.Now()
	a.cell.lock.Lock()
	changes := a.prove(a.first)
	a.cell.took(a.first.Sub(a.began), a.first)
	a.cell.lock.Unlock()
	a.board.tell(changes)
}

// End counts the attempt. Later calls do nothing.
func (a *Attempt) End(r Result) {
	if a.cell == nil {
		return
	}
	c, now := a.cell, a.board.o.Now()
	var changes []Change
	c.lock.Lock()
	switch {
	case r.Class == OK:
		changes = a.prove(now)
		for _, circ := range c.chain {
			if circ != nil {
				circ.succeed(now)
			}
		}
	case r.Class.shared():
		changes = a.blame(r, now, changes)
	}
	a.release()
	if r.Class == OK || r.Class.shared() {
		report := Report{Target: c.target, Attempts: 1}
		if r.Class != OK {
			report.Failed[r.Class] = 1
		}
		if r.Class == OK && r.Tokens > 0 {
			report.Speed = Mean{1, a.speed(r.Tokens, now)}
		}
		c.learn(&report, now)
		c.fresh.add(&report)
	}
	c.lock.Unlock()
	c.inFlight.Add(-1)
	board := a.board
	*a = Attempt{}
	board.tell(changes)
}

// Outpaced ends an attempt that was given up since another one was faster: nothing is learned but that its first token takes
// so long at least, which says something only where it is usually sooner.
func (a *Attempt) Outpaced() {
	if a.cell == nil {
		return
	}
	c, now := a.cell, a.board.o.Now()
	c.lock.Lock()
	a.release()
	if wait := now.Sub(a.began); c.sums.firstToken.below(wait.Seconds()) {
		c.took(wait, now)
	}
	c.lock.Unlock()
	c.inFlight.Add(-1)
	*a = Attempt{}
}

// release gives back half-open circuits that were neither proved nor refuted: the next attempt may try them.
func (a *Attempt) release() {
	for i, o := range a.claimed {
		if o != nil && a.cell.chain[i].open.Load() == o {
			a.cell.chain[i].trying.Store(false)
		}
	}
}

// speed is the tokens per second: of a stream from its first token on, of a whole answer from the start.
func (a *Attempt) speed(tokens int64, now time.Time) float64 {
	from := a.began
	if !a.first.IsZero() {
		from = a.first
	}
	const instant = time.Millisecond // a short answer in one piece says little of the speed, but must not say infinity
	return float64(tokens) / max(now.Sub(from), instant).Seconds()
}

// prove closes the circuits that were open when the attempt began.
func (a *Attempt) prove(now time.Time) (changes []Change) {
	for _, circ := range a.cell.chain {
		if circ != nil && circ.prove(a.began, now) {
			changes = append(changes, Change{Place: circ.place})
		}
	}
	if len(changes) > 0 {
		a.cell.sums.forgive()
		a.cell.stats.Store(a.cell.sums.stats(now))
	}
	return changes
}

// blame counts a failure at the circuits of its scope.
func (a *Attempt) blame(r Result, now time.Time, changes []Change) []Change {
	fail := func(circ *circuit, retryAfter time.Duration) {
		again := circ.open.Load() != nil
		if circ.fail(r.Class, retryAfter, a.began, now) {
			changes = append(changes, Change{circ.place, circ.open.Load(), again})
		}
	}
	provider, model, key, target := a.cell.chain[0], a.cell.chain[1], a.cell.chain[2], a.cell.chain[3]
	switch {
	case r.Class.Scope() == OfModel:
		fail(model, r.RetryAfter)
	case r.Class.Scope() == OfKey && key != nil:
		fail(key, r.RetryAfter)
	case r.Class.Scope() == OfKey:
		fail(target, r.RetryAfter) // the provider needs no key: it is the address that it does not like
	default:
		fail(target, r.RetryAfter)
		fail(provider, 0) // the vendor spoke of this call, and not of all others
	}
	return changes
}

// took learns how long a first token took. The lock of the cell is held.
func (c *cell) took(wait time.Duration, now time.Time) {
	report := Report{Target: c.target, FirstToken: Mean{1, wait.Seconds()}}
	c.learn(&report, now)
	c.fresh.add(&report)
}

// learn takes attempts into the figures. The lock of the cell is held.
func (c *cell) learn(r *Report, now time.Time) {
	w := c.sums.weight(now)
	c.sums.notice(r)
	c.sums.attempts += w * float64(r.Attempts)
	for i, n := range r.Failed {
		c.sums.failed[i] += w * float64(n)
	}
	c.sums.firstToken.add(r.FirstToken.Mean, w*float64(r.FirstToken.Count))
	c.sums.speed.add(r.Speed.Mean, w*float64(r.Speed.Count))
	c.sums.limit(w)
	c.stats.Store(c.sums.stats(now))
}

func (b *Board) tell(changes []Change) {
	for _, change := range changes {
		b.o.OnChange(change)
	}
}
