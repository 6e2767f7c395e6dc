// Package health knows what live traffic says about the ways to serve a request: how fast each provider's model is with
// each key, how often it fails and by whose fault, and which of them are out of use for a while.
//
// Every attempt is told to a Board. A failure counts only against what it says something about (see Class), where a
// circuit opens when too much fails. An open circuit takes no traffic for a time that grows with each opening, or that the
// vendor named. Then it is half open: one attempt at a time is let through, of live traffic, and the first content closes
// it.
//
// A Board has a bounded size. It is about this node, and Share tells the others.
package health

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"aihigress/internal/id"
)

// MaxTargets is how many targets a board knows. Beyond it, what was used least recently is forgotten.
const MaxTargets = 4096

// A Target is what can be tried: a provider's model with one of its keys.
type Target struct {
	Provider id.Provider
	Model    string         // what the provider calls it
	Key      id.ProviderKey // zero where the provider needs none
}

// A Change says that a circuit opened, closed, or stays open for longer.
type Change struct {
	Place Place
	Open  *Opening // nil where it closed
	Again bool     // it was open before: only the time is news
}

// Options of New.
type Options struct {
	Now      func() time.Time // the clock; time.Now
	OnChange func(Change)     // told of every change that this node's traffic makes; may be nil, and must not block
}

// A Board is what is known of all targets. It is safe for concurrent use, and its zero value is not usable: see New.
type Board struct {
	o Options

	mu       sync.RWMutex
	cells    map[Target]*cell
	circuits map[Place]*circuit

	locks [64]sync.Mutex // one for each provider, shared by some
}

// A cell is what is known of one target.
type cell struct {
	target Target
	lock   *sync.Mutex
	chain  [4]*circuit // that must let an attempt through; nil is one less

	inFlight atomic.Int64
	began    atomic.Int64 // the last attempt, in Unix nanoseconds
	stats    atomic.Pointer[Stats]

	sums  sums   // guarded by lock
	fresh Report // what other nodes were not told; guarded by lock
}

// New makes an empty board.
func New(o Options) *Board {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnChange == nil {
		o.OnChange = func(Change) {}
	}
	return &Board{o: o, cells: map[Target]*cell{}, circuits: map[Place]*circuit{}}
}

// Now is the time by the board's clock.
func (b *Board) Now() time.Time { return b.o.Now() }

// A State is whether a target may be tried.
type State uint8

// The states, better ones first.
const (
	Closed   State = iota // it takes traffic
	HalfOpen              // it may be tried, by one attempt at a time
	Open                  // it is out of use, or half open and being tried
)

// A Standing is how a target stands at a moment.
type Standing struct {
	State    State
	Opening  *Opening // of the circuit that lasts longest; nil where all are closed
	Scope    Scope    // of that circuit
	Trying   bool     // it would be half open, but is being tried
	InFlight int64
	Began    int64  // the last attempt, in Unix nanoseconds; 0 is never
	Stats    *Stats // nil where nothing is known
}

// Look is how a target stands. It does not allocate.
func (b *Board) Look(t Target, now time.Time) Standing {
	b.mu.RLock()
	c := b.cells[t]
	if c == nil {
		defer b.mu.RUnlock()
		return b.lookAround(t, now)
	}
	b.mu.RUnlock()
	s := Standing{InFlight: c.inFlight.Load(), Began: c.began.Load(), Stats: c.stats.Load()}
	for _, circuit := range c.chain {
		s.take(circuit, now)
	}
	return s
}

// lookAround is Look for a target that was never tried: its provider, model or key may be out of use all the same.
func (b *Board) lookAround(t Target, now time.Time) (s Standing) {
	for _, scope := range chain {
		s.take(b.circuits[place(scope, t)], now)
	}
	return s
}

// take adds what one circuit says.
func (s *Standing) take(c *circuit, now time.Time) {
	if c == nil {
		return
	}
	o := c.open.Load()
	if o == nil {
		return
	}
	state, trying := Open, false
	if !now.Before(o.Until) {
		if trying = c.trying.Load(); !trying {
			state = HalfOpen
		}
	}
	if s.Opening == nil || o.Until.After(s.Opening.Until) {
		s.Opening, s.Scope = o, c.place.Scope
	}
	s.State = max(s.State, state)
	s.Trying = s.Trying || trying
}

// maxEjected is how many circuits Ejected gives: a provider that takes any model's name can have many.
const maxEjected = 100

// Ejected is the circuits of a provider that are not closed, half open ones included: the newest, and them first.
func (b *Board) Ejected(provider id.Provider) []Change {
	b.mu.RLock()
	var open []Change
	for _, c := range b.circuits {
		if o := c.open.Load(); o != nil && c.place.Provider == provider {
			open = append(open, Change{Place: c.place, Open: o})
		}
	}
	b.mu.RUnlock()
	slices.SortFunc(open, func(x, y Change) int {
		return cmp.Or(y.Open.Since.Compare(x.Open.Since), cmp.Compare(x.Place.Scope, y.Place.Scope), cmp.Compare(x.Place.Model, y.Place.Model))
	})
	return open[:min(len(open), maxEjected)]
}

// chain is the scopes of the circuits that an attempt must pass.
var chain = [4]Scope{OfProvider, OfModel, OfKey, OfTarget}

// cell finds or makes the cell of a target.
func (b *Board) cell(t Target) *cell {
	b.mu.RLock()
	c := b.cells[t]
	b.mu.RUnlock()
	if c != nil {
		return c
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c = b.cells[t]; c != nil {
		return c
	}
	if len(b.cells) >= MaxTargets {
		b.forgetOne()
	}
	c = &cell{target: t, lock: b.lockOf(t.Provider)}
	for i, scope := range chain {
		if scope == OfKey && t.Key.IsZero() {
			continue
		}
		p := place(scope, t)
		circ := b.circuits[p]
		if circ == nil {
			circ = &circuit{place: p}
			b.circuits[p] = circ
		}
		circ.refs++
		c.chain[i] = circ
	}
	b.cells[t] = c
	return c
}

// forgetOne drops the least recently used of a few targets, chosen by chance: of all would take too long.
func (b *Board) forgetOne() {
	const looks = 16
	var oldest *cell
	n := 0
	for _, c := range b.cells {
		if c.inFlight.Load() == 0 && (oldest == nil || c.began.Load() < oldest.began.Load()) {
			oldest = c
		}
		if n++; n >= looks && oldest != nil {
			break
		}
	}
	if oldest == nil {
		return // all are in use: the limit is on what is kept, not on what runs
	}
	delete(b.cells, oldest.target)
	for _, circ := range oldest.chain {
		if circ == nil {
			continue
		}
		if circ.refs--; circ.refs == 0 {
			delete(b.circuits, circ.place)
		}
	}
}

func (b *Board) lockOf(p id.Provider) *sync.Mutex {
	return &b.locks[int(p.UUID[len(p.UUID)-1])%len(b.locks)]
}
