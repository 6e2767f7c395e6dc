package overload_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/overload"
)

// A world is a gate by a clock of its own, with all that is known of it by those who use it.
type world struct {
	t    *testing.T
	rng  *rand.Rand
	now  time.Time
	gate *overload.Gate

	keys    []id.Key
	targets []health.Target
	held    []overload.Slot
	waiting []*waiting
}

// waiting is a call that waits, and what was granted meanwhile at each of its targets.
type waiting struct {
	*overload.Waiter
	key     id.Key
	before  map[health.Target]int // calls of its own key that were there first
	granted map[health.Target]map[id.Key]int
}

var errGone = errors.New("the caller is gone")

// Whatever comes in whatever order: at no time is more in flight than the limit lets in, who waits does so for a reason,
// every call ends one way, no key is overtaken by another more than once between two turns, and all slots come back.
func TestGateHoldsWhatItPromises(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 7)), now: noon}
		w.gate = overload.New(overload.Options{Now: func() time.Time { return w.now }, Start: 1 + w.rng.IntN(12), Waiting: 40})
		for range 1 + w.rng.IntN(5) {
			w.keys = append(w.keys, id.New[id.Key]())
		}
		for range 1 + w.rng.IntN(3) {
			w.targets = append(w.targets, health.Target{Provider: id.New[id.Provider](), Model: "m"})
		}
		for range 400 {
			w.step()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		w.finish()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func (w *world) step() {
	switch n := w.rng.IntN(100); {
	case n < 50:
		w.arrive()
	case n < 80 && len(w.held) > 0:
		w.end(w.rng.IntN(len(w.held)))
	case n < 88 && len(w.waiting) > 0:
		w.leave(w.rng.IntN(len(w.waiting)))
	default:
		w.now = w.now.Add(time.Duration(w.rng.IntN(3000)) * time.Millisecond)
		for _, c := range w.waiting {
			c.Look()
		}
	}
	w.collect()
	w.check()
}

// arrive is a call of some key that takes what is free, or waits.
func (w *world) arrive() {
	key := w.keys[w.rng.IntN(len(w.keys))]
	var at []health.Target
	for _, target := range w.targets {
		if len(at) == 0 || w.rng.IntN(2) == 0 {
			at = append(at, target)
		}
	}
	c := &waiting{key: key, before: map[health.Target]int{}, granted: map[health.Target]map[id.Key]int{}}
	for _, target := range at {
		c.granted[target] = map[id.Key]int{}
		for _, other := range w.waiting {
			if _, there := other.granted[target]; there && other.key == key {
				c.before[target]++
			}
		}
	}
	call, slot, err := w.gate.Enqueue(key, at)
	var refusal *overload.Refusal
	switch {
	case errors.As(err, &refusal):
		own := 0
		for _, other := range w.waiting {
			if other.key == key {
				own++
			}
		}
		if refusal.Cause == overload.TooManyOfKey && own == 0 {
			w.t.Errorf("a key that has no call waiting is told that it has too many")
		}
		if refusal.RetryAfter < time.Second || refusal.RetryAfter > time.Minute {
			w.t.Errorf("Retry-After is %s", refusal.RetryAfter)
		}
	case err != nil:
		w.t.Error(err)
	case slot != overload.Slot{}:
		w.admitted(slot)
	default:
		c.Waiter = call
		w.waiting = append(w.waiting, c)
	}
}

// admitted notes a slot that was given out just now.
func (w *world) admitted(s overload.Slot) {
	w.held = append(w.held, s)
	for _, l := range w.gate.Loads(s.Target().Provider) {
		if l.InFlight > l.Limit {
			w.t.Errorf("%d are in flight, with a limit of %d", l.InFlight, l.Limit)
		}
	}
}

func (w *world) end(i int) {
	class := []health.Class{health.OK, health.OK, health.OK, health.OK, health.Cancelled, health.ServerError, health.Overloaded, health.RateLimited}[w.rng.IntN(8)]
	if w.rng.IntN(2) == 0 {
		w.held[i].First()
		w.collect()
	}
	w.held[i].End(class)
	w.held[i].End(class) // counts for nothing
	w.held = append(w.held[:i], w.held[i+1:]...)
}

func (w *world) leave(i int) {
	c := w.waiting[i]
	w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
	gone := errGone
	if w.rng.IntN(2) == 0 {
		gone = nil // its patience is at an end
	}
	if slot, err := c.Leave(gone); err == nil {
		w.admitted(slot)
	}
}

// collect gives those their slots who were granted one.
func (w *world) collect() {
	left := w.waiting[:0:0]
	for _, c := range w.waiting {
		slot, ok := c.Granted()
		if !ok {
			left = append(left, c)
			continue
		}
		w.admitted(slot)
		for _, other := range w.waiting {
			if counts := other.granted[slot.Target()]; counts != nil && other != c {
				counts[c.key]++
			}
		}
	}
	w.waiting = left
}

func (w *world) check() {
	inFlight := map[health.Target]int{}
	for i := range w.held {
		inFlight[w.held[i].Target()]++
	}
	for _, c := range w.waiting {
		for target, counts := range c.granted {
			for key, n := range counts {
				if key != c.key && n > c.before[target]+1 {
					w.t.Errorf("a call with %d of its own key before it was overtaken by %d of another's", c.before[target], n)
				}
			}
		}
	}
	for _, target := range w.targets {
		for _, l := range w.gate.Loads(target.Provider) {
			if l.InFlight != inFlight[target] {
				w.t.Errorf("%d are in flight, and the gate counts %d", inFlight[target], l.InFlight)
			}
			if l.Waiting > 0 && l.InFlight < l.Limit {
				w.t.Errorf("%d wait while %d are in flight and %d may be", l.Waiting, l.InFlight, l.Limit)
			}
		}
	}
	if got := w.gate.Totals().Waiting; got != len(w.waiting) || got > 40 {
		w.t.Errorf("%d wait, and the gate counts %d of at most 40", len(w.waiting), got)
	}
}

// finish lets all that is in flight end: then every call that waits has a slot in the end.
func (w *world) finish() {
	for len(w.held) > 0 {
		w.held[0].End(health.OK)
		w.held = w.held[1:]
		w.collect()
		w.check()
	}
	if got := w.gate.Totals(); len(w.waiting) > 0 || got.InFlight != 0 || got.Waiting != 0 {
		w.t.Errorf("%d calls are lost: %+v", len(w.waiting), got)
	}
}

// Goroutines that wait, leave, panic and run out of patience at all times leave nothing behind.
func TestSlotsComeBackFromEverywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := overload.New(overload.Options{Start: 4, Waiting: 50})
		targets := []health.Target{{Model: "a"}, {Model: "b"}}
		keys := []id.Key{id.New[id.Key](), id.New[id.Key](), id.New[id.Key]()}
		var group sync.WaitGroup
		var mu sync.Mutex
		ended := map[string]int{}
		for i := range 600 {
			group.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(i), 3))
				pause := func(ms int) { time.Sleep(time.Duration(rng.IntN(ms)) * time.Millisecond) } // of the fake clock
				pause(5_000)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if rng.IntN(3) == 0 {
					time.AfterFunc(time.Duration(rng.IntN(3000))*time.Millisecond, func() { cancel(errGone) })
				}
				how := attempt(ctx, gate, keys[rng.IntN(len(keys))], targets, rng, pause)
				mu.Lock()
				ended[how]++
				mu.Unlock()
			})
		}
		group.Wait()
		if got := gate.Totals(); got.InFlight != 0 || got.Waiting != 0 {
			t.Errorf("left behind: %+v", got)
		}
		for _, how := range []string{"served", "refused", "gone", "panicked"} {
			if ended[how] == 0 {
				t.Errorf("none %s: %v", how, ended)
			}
		}
	})
}

// attempt is one call, and says how it ended.
func attempt(ctx context.Context, gate *overload.Gate, key id.Key, targets []health.Target, rng *rand.Rand, pause func(int)) (how string) {
	slot, err := gate.Wait(ctx, key, targets, 2*time.Second)
	defer func() {
		if recover() != nil {
			how = "panicked"
		}
		slot.End(health.Cancelled)
	}()
	var refusal *overload.Refusal
	switch {
	case errors.As(err, &refusal):
		return "refused"
	case errors.Is(err, errGone):
		return "gone"
	}
	pause(900)
	switch rng.IntN(20) {
	case 0:
		panic("in the middle of an attempt")
	case 1:
		slot.End(health.Overloaded)
	default:
		slot.First()
		slot.End(health.OK)
	}
	return "served"
}

// A tenant who sends a hundred times as much as another takes nothing from them.
func TestFloodDoesNotStarve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := overload.New(overload.Options{Start: 10, Waiting: 100})
		targets := []health.Target{{Model: "a"}}
		flood, quiet := id.New[id.Key](), id.New[id.Key]()
		var group sync.WaitGroup
		var mu sync.Mutex
		served, refused := map[id.Key]int{}, map[id.Key]int{}
		longest := time.Duration(0)
		call := func(key id.Key) {
			start := time.Now()
			slot, err := gate.Wait(t.Context(), key, targets, 5*time.Second)
			waited := time.Since(start)
			mu.Lock()
			if err != nil {
				refused[key]++
			} else {
				served[key]++
			}
			if key == quiet {
				longest = max(longest, waited)
			}
			mu.Unlock()
			if err == nil {
				time.Sleep(time.Second)
				slot.End(health.Cancelled) // says nothing of the target: its limit stays
			}
		}
		for range 60 { // seconds; the target serves ten calls in each
			for i := range 100 {
				group.Go(func() { call(flood) })
				if i%50 == 0 {
					group.Go(func() { call(quiet) })
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		group.Wait()
		if refused[quiet] > 0 || served[quiet] != 120 || longest > 500*time.Millisecond {
			t.Errorf("of the quiet one's calls %d were served and %d refused, the longest wait was %s", served[quiet], refused[quiet], longest)
		}
		if all := served[flood] + served[quiet]; all < 580 || refused[flood] < 5000 {
			t.Errorf("%d calls were served, and %d of the flood refused", all, refused[flood])
		}
	})
}

// Limits grow by time. What that makes free is for those who wait, and not for who happens to come then.
func TestNobodyOvertakesWhoWaits(t *testing.T) {
	t.Parallel()
	now := noon
	gate := overload.New(overload.Options{Now: func() time.Time { return now }, Start: 4})
	target := health.Target{Model: "a"}
	var held [4]overload.Slot
	for i := range held {
		held[i], _ = gate.Take(target)
	}
	now = now.Add(time.Second)
	held[0].End(health.Overloaded) // two are too many now
	call, slot, err := gate.Enqueue(id.New[id.Key](), []health.Target{target})
	if slot != (overload.Slot{}) || err != nil {
		t.Fatalf("%+v, %v: want to wait", slot, err)
	}
	now = now.Add(20 * time.Second) // and four are not
	if _, free := gate.Take(target); free {
		t.Error("a call that comes later gets the slot")
	}
	if _, granted := call.Granted(); !granted {
		t.Error("the call that waits does not get it")
	}
}

func BenchmarkTake(b *testing.B) {
	gate := overload.New(overload.Options{})
	target := health.Target{Provider: id.New[id.Provider](), Model: "gpt", Key: id.New[id.ProviderKey]()}
	b.ReportAllocs()
	for b.Loop() {
		slot, _ := gate.Take(target)
		slot.First()
		slot.End(health.OK)
	}
}
