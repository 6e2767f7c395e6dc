// Package overload keeps the gateway and its upstreams from having more to do at once than they can.
//
// A Gate holds each target to a limit of attempts in flight, which it learns from how the target does. Calls that find no
// target with room wait in a queue that is fair to gateway keys, bounded in length and in time. Memory turns new calls away
// while the process holds too much of it.
//
// A target is a provider's model with one of its keys, as the circuits of package health have it: vendors count what is in
// flight by account, and are overloaded by model.
package overload

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
)

// MaxTargets is how many targets a gate knows. Beyond it, one that is idle is forgotten.
const MaxTargets = 4096

// Options of New. Zero values take the defaults named beside them.
type Options struct {
	Now     func() time.Time // the clock; time.Now
	Start   int              // attempts in flight at a target of which nothing is known; 1000
	Waiting int              // calls that wait at one time, at all targets; 1000
}

// A Gate lets attempts through to their targets. It is safe for concurrent use, and its zero value is not usable: see New.
type Gate struct {
	o Options

	mu      sync.Mutex
	targets map[health.Target]*target
	waiting int            // calls in the queues of all targets, each counted once
	byKey   map[id.Key]int // the same by gateway key
	refused [causes]int64
}

// A target is what a gate knows of one. The lock of the gate guards it.
type target struct {
	of       health.Target
	limit    limit
	inFlight int
	queue    queue
	drain    drain
	used     time.Time
}

// New makes a gate through which nothing has gone.
func New(o Options) *Gate {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Start == 0 {
		o.Start = 1000
	}
	if o.Waiting == 0 {
		o.Waiting = 1000
	}
	return &Gate{o: o, targets: map[health.Target]*target{}, byKey: map[id.Key]int{}}
}

// A Slot is the place of one attempt among those in flight at its target. Its owner calls End, once; it is not for
// concurrent use. The zero value is of no target.
type Slot struct {
	gate   *Gate
	target *target
	began  time.Time
	nth    int // of those in flight then
	first  bool
}

// Take takes a slot, or reports false where the target is at its limit. It does not allocate for a target that is known.
func (g *Gate) Take(t health.Target) (Slot, bool) {
	now := g.o.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.take(g.target(t, now), now)
}

func (g *Gate) take(t *target, now time.Time) (Slot, bool) {
	g.serve(t, now) // who waits goes first
	if t.inFlight >= t.limit.at(now) {
		return Slot{}, false
	}
	return g.begin(t, now), true
}

// begin gives out a slot of a target that has one free.
func (g *Gate) begin(t *target, now time.Time) Slot {
	t.inFlight++
	t.drain.taken(now, t.inFlight >= t.limit.at(now))
	return Slot{gate: g, target: t, began: now, nth: t.inFlight}
}

// Of reports whether the slot is one of the target's.
func (s *Slot) Of(t health.Target) bool { return s.target != nil && s.target.of == t }

// First notes the first content of a stream.
func (s *Slot) First() {
	if s.target == nil || s.first {
		return
	}
	s.first = true
	g, t, now := s.gate, s.target, s.gate.o.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	t.limit.first(s.began, now, s.nth)
	g.serve(t, now)
}

// End gives the slot back. Later calls do nothing.
func (s *Slot) End(class health.Class) {
	if s.target == nil {
		return
	}
	g, t, now := s.gate, s.target, s.gate.o.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	t.drain.freed(now, t.inFlight >= t.limit.at(now))
	t.limit.end(class, s.began, now, s.nth)
	t.inFlight--
	t.used = now
	*s = Slot{}
	g.serve(t, now)
}

// target finds or makes what is known of a target.
func (g *Gate) target(of health.Target, now time.Time) *target {
	t := g.targets[of]
	if t == nil {
		if len(g.targets) >= MaxTargets {
			g.forgetOne()
		}
		t = &target{of: of, limit: limit{top: float64(g.o.Start)}}
		g.targets[of] = t
	}
	t.used = now
	return t
}

// forgetOne drops the least recently used of a few idle targets, chosen by chance: of all would take too long.
func (g *Gate) forgetOne() {
	const looks = 16
	var oldest *target
	n := 0
	for _, t := range g.targets {
		if t.inFlight == 0 && t.queue.waiting == 0 && (oldest == nil || t.used.Before(oldest.used)) {
			oldest = t
		}
		if n++; n >= looks && oldest != nil {
			break
		}
	}
	if oldest != nil { // else all are in use: the bound is on what is kept, not on what runs
		delete(g.targets, oldest.of)
	}
}

// A Load is how much a target has to do.
type Load struct {
	Target   health.Target
	InFlight int
	Limit    int  // of attempts in flight
	Limited  bool // the limit is lower than it would be without a sign of overload
	Waiting  int  // calls that wait for it, and perhaps for others too
}

// Loads is the load of a provider's targets that have anything to do or are limited, the busiest first.
func (g *Gate) Loads(provider id.Provider) []Load {
	now := g.o.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var loads []Load
	for of, t := range g.targets {
		if of.Provider != provider {
			continue
		}
		if l := t.load(now); l.Limited || l.InFlight > 0 || l.Waiting > 0 {
			loads = append(loads, l)
		}
	}
	slices.SortFunc(loads, func(a, b Load) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(b.InFlight, a.InFlight), cmp.Compare(a.Target.Model, b.Target.Model),
			bytes.Compare(a.Target.Key.UUID[:], b.Target.Key.UUID[:]))
	})
	return loads
}

func (t *target) load(now time.Time) Load {
	limit := t.limit.at(now)
	return Load{Target: t.of, InFlight: t.inFlight, Limit: limit, Limited: t.limit.cuts(), Waiting: t.queue.waiting}
}

// Totals are the sums over all targets.
type Totals struct {
	InFlight int
	Waiting  int // calls, each counted once
	Limited  int // targets
	Refused  [causes]int64
}

// Totals counts.
func (g *Gate) Totals() Totals {
	now := g.o.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := Totals{Waiting: g.waiting, Refused: g.refused}
	for _, t := range g.targets {
		l := t.load(now)
		sum.InFlight += l.InFlight
		if l.Limited {
			sum.Limited++
		}
	}
	return sum
}
