package health

import (
	"sync/atomic"
	"time"
)

const (
	// firstCooldown is how long a circuit stays open at first; it doubles with every opening that is not forgotten.
	firstCooldown = time.Second
	// maxCooldown bounds that: a provider that is back gets traffic again within this time.
	maxCooldown = 8 * time.Second
	// maxKeyCooldown bounds it for what does not mend itself within seconds: a refused key, a used-up account, a model that
	// is not there.
	maxKeyCooldown = 5 * time.Minute
	// maxRetryAfter bounds what a vendor may ask for, so that a nonsensical header does not end a provider for good.
	maxRetryAfter = time.Hour
	// forgets is how long a closed circuit takes to forget one opening.
	forgets = 30 * time.Second

	// tooMany doublings are beyond every limit.
	tooMany = 20

	// badShare of the attempts within a window opens a circuit.
	badShare = 0.5
)

// A threshold is how much must fail before a circuit opens: so many attempts in a row, or badShare of at least so many
// within a window.
type threshold struct{ streak, volume int }

// A provider's circuit needs more than that of one model with one key: where only these fail they open alone.
var thresholds = [scopes]threshold{
	OfKey: {5, 10}, OfModel: {5, 10}, OfTarget: {5, 10}, OfProvider: {12, 24},
}

// A Place is what a circuit stands for. Fields that its scope does not need are zero.
type Place struct {
	Scope Scope
	Target
}

// place is what a target's circuit of a scope stands for.
func place(s Scope, t Target) Place {
	switch s {
	case OfKey:
		t.Model = ""
	case OfModel:
		t.Key = Target{}.Key
	case OfProvider:
		t = Target{Provider: t.Provider}
	case OfRequest, OfCaller, OfTarget, scopes:
	}
	return Place{s, t}
}

// An Opening is why and for how long a circuit is open. After Until it is half open: one attempt at a time may try it.
type Opening struct {
	Why   Class
	Since time.Time
	Until time.Time
	Asked bool // the vendor named the time, in Retry-After
}

// A circuit is the breaker of one place. What is not atomic is guarded by the lock of its provider.
type circuit struct {
	place Place
	refs  int // cells that it serves; guarded by the board's lock

	open   atomic.Pointer[Opening] // nil is closed
	trying atomic.Bool             // half open, and being tried

	window window
	streak int // failures in a row
	level  int // openings that are not forgotten
	closed time.Time
}

// succeed counts an attempt that went well.
func (c *circuit) succeed(now time.Time) {
	c.window.add(now, false)
	c.streak = 0
}

// prove closes the circuit for an answer to an attempt that began after it was opened, and reports whether it did.
func (c *circuit) prove(began, now time.Time) (changed bool) {
	o := c.open.Load()
	if o == nil || !began.After(o.Since) {
		return false
	}
	c.close(now)
	return true
}

func (c *circuit) close(now time.Time) {
	c.open.Store(nil)
	c.trying.Store(false)
	c.window = window{}
	c.streak = 0
	c.closed = now
}

// fail counts an attempt that failed. It reports whether the circuit opened, or stays open for longer.
func (c *circuit) fail(why Class, retryAfter time.Duration, began, now time.Time) (changed bool) {
	c.window.add(now, true)
	c.streak++
	o := c.open.Load()
	if o != nil && (now.Before(o.Until) || !began.After(o.Since)) {
		// It is open already, and this one was on its way. Only the vendor's own word makes it longer.
		if until := now.Add(min(retryAfter, maxRetryAfter)); retryAfter > 0 && until.After(o.Until) {
			c.open.Store(&Opening{Why: why, Since: o.Since, Until: until, Asked: true})
			c.trying.Store(false) // who tried the shorter opening does not give this one back
			return true
		}
		return false
	}
	if o == nil && retryAfter <= 0 && !why.final() && !c.worn(now) {
		return false
	}
	c.trip(why, retryAfter, now)
	return true
}

// worn reports whether enough failed to open the circuit.
func (c *circuit) worn(now time.Time) bool {
	t := thresholds[c.place.Scope]
	ok, bad := c.window.count(now)
	return c.streak >= t.streak || ok+bad >= t.volume && float64(bad) >= badShare*float64(ok+bad)
}

// trip opens the circuit, for as long as the vendor asks or else for a time that grows with each opening.
func (c *circuit) trip(why Class, retryAfter time.Duration, now time.Time) {
	if c.open.Load() == nil && !c.closed.IsZero() {
		c.level = max(0, c.level-int(now.Sub(c.closed)/forgets))
	}
	longest := maxCooldown
	if why.final() && why != RateLimited {
		longest = maxKeyCooldown
	}
	cooldown := min(firstCooldown<<min(c.level, tooMany), longest)
	c.level = min(c.level+1, tooMany)
	if retryAfter > 0 {
		cooldown = min(retryAfter, maxRetryAfter)
	}
	c.open.Store(&Opening{Why: why, Since: now, Until: now.Add(cooldown), Asked: retryAfter > 0})
	c.trying.Store(false)
}

// A window counts the attempts of the last seconds.
type window struct {
	slots [windowSlots]struct {
		second  int64
		ok, bad uint32
	}
}

// windowSlots is how many seconds a window is long.
const windowSlots = 10

func (w *window) add(now time.Time, bad bool) {
	second := now.Unix()
	slot := &w.slots[uint64(second)%windowSlots]
	if slot.second != second {
		slot.second, slot.ok, slot.bad = second, 0, 0
	}
	if bad {
		slot.bad++
	} else {
		slot.ok++
	}
}

func (w *window) count(now time.Time) (ok, bad int) {
	second := now.Unix()
	for i := range w.slots {
		if slot := &w.slots[i]; slot.second > second-windowSlots && slot.second <= second {
			ok += int(slot.ok)
			bad += int(slot.bad)
		}
	}
	return ok, bad
}
