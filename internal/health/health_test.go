package health_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"aihigress/internal/health"
	"aihigress/internal/id"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var (
	provider = id.New[id.Provider]()
	keyA     = id.New[id.ProviderKey]()
	keyB     = id.New[id.ProviderKey]()

	target     = health.Target{Provider: provider, Model: "m", Key: keyA}
	otherKey   = health.Target{Provider: provider, Model: "m", Key: keyB}
	otherModel = health.Target{Provider: provider, Model: "n", Key: keyA}
	otherBoth  = health.Target{Provider: provider, Model: "n", Key: keyB}
	elsewhere  = health.Target{Provider: id.New[id.Provider](), Model: "m", Key: keyA}
)

// try makes an attempt that ends at once, and reports whether it was let through.
func try(b *health.Board, t health.Target, r health.Result) bool {
	a, ok := b.Begin(t, false)
	if ok {
		a.End(r)
	}
	return ok
}

// out is which of the targets are out of use.
func out(b *health.Board, targets ...health.Target) []bool {
	var open []bool
	for _, t := range targets {
		open = append(open, b.Look(t, b.Now()).State == health.Open)
	}
	return open
}

// A failure ejects what it says something about and nothing else.
func TestEachClassEjectsOnlyWhatItTouches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		class  health.Class
		times  int    // until it ejects
		ejects []bool // target, other key, other model, both others, elsewhere
	}{
		{health.OK, 0, []bool{false, false, false, false, false}},
		{health.BadRequest, 0, []bool{false, false, false, false, false}},
		{health.Cancelled, 0, []bool{false, false, false, false, false}},
		{health.Unauthorized, 1, []bool{true, false, true, false, false}},
		{health.OutOfQuota, 1, []bool{true, false, true, false, false}},
		{health.RateLimited, 1, []bool{true, false, true, false, false}},
		{health.Forbidden, 5, []bool{true, false, true, false, false}},
		{health.NoModel, 1, []bool{true, true, false, false, false}},
		{health.Overloaded, 5, []bool{true, true, false, false, false}},
		{health.ServerError, 5, []bool{true, false, false, false, false}},
		{health.Unreached, 5, []bool{true, false, false, false, false}},
		{health.TimedOut, 5, []bool{true, false, false, false, false}},
		{health.Malformed, 5, []bool{true, false, false, false, false}},
	}
	for _, tt := range tests {
		t.Run(tt.class.String(), func(t *testing.T) {
			t.Parallel()
			b := health.New(health.Options{Now: newClock().Now})
			times := tt.times
			if times == 0 {
				times = 100
			}
			for i := range times {
				if !try(b, target, health.Result{Class: tt.class}) {
					t.Fatalf("it was ejected after %d", i)
				}
			}
			if got := out(b, target, otherKey, otherModel, otherBoth, elsewhere); !slices.Equal(got, tt.ejects) {
				t.Errorf("ejected %v, want %v", got, tt.ejects)
			}
		})
	}
}

// A provider is ejected when it fails everywhere, and not when one of its models does.
func TestProviderIsEjectedByFailuresOfAll(t *testing.T) {
	t.Parallel()
	b := health.New(health.Options{Now: newClock().Now})
	for range 50 {
		try(b, target, health.Result{Class: health.ServerError})
		try(b, otherModel, health.Result{Class: health.OK})
	}
	if got := out(b, target, otherKey, otherModel); !slices.Equal(got, []bool{true, false, false}) {
		t.Errorf("ejected %v", got)
	}
	b = health.New(health.Options{Now: newClock().Now})
	for range 5 {
		for _, target := range []health.Target{target, otherKey, otherModel} {
			try(b, target, health.Result{Class: health.Unreached})
		}
	}
	never := health.Target{Provider: provider, Model: "never tried", Key: keyB}
	if got := out(b, target, otherKey, otherModel, otherBoth, never, elsewhere); !slices.Equal(got, []bool{true, true, true, true, true, false}) {
		t.Errorf("ejected %v", got)
	}
}

// Half of the attempts failing is enough, also where no five do in a row.
func TestErrorRateEjects(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		every int
		want  bool
	}{{2, true}, {3, false}} {
		b := health.New(health.Options{Now: newClock().Now})
		for i := range 60 {
			class := health.OK
			if i%tt.every == 1 {
				class = health.ServerError
			}
			try(b, target, health.Result{Class: class})
		}
		if got := out(b, target)[0]; got != tt.want {
			t.Errorf("one failure of %d: ejected is %v", tt.every, got)
		}
	}
}

func TestCooldownGrowsAndDecays(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := health.New(health.Options{Now: c.Now})
	cooldown := func() time.Duration {
		t.Helper()
		s := b.Look(target, c.Now())
		if s.State != health.Open {
			t.Fatal("it is in use")
		}
		return s.Opening.Until.Sub(c.Now())
	}
	for range 5 {
		try(b, target, health.Result{Class: health.ServerError})
	}
	for i, want := range []int{1, 2, 4, 8, 8, 8} {
		got := cooldown()
		if got != time.Duration(want)*time.Second {
			t.Fatalf("opening %d lasts %v, want %d s", i, got, want)
		}
		c.sleep(got - 1)
		if try(b, target, health.Result{}) {
			t.Fatal("it was tried too early")
		}
		c.sleep(1)
		if !try(b, target, health.Result{Class: health.ServerError}) {
			t.Fatal("it was not tried in time")
		}
	}
	c.sleep(8 * time.Second)
	try(b, target, health.Result{Class: health.OK})
	c.sleep(90 * time.Second) // forgets three of the seven openings
	for range 5 {
		try(b, target, health.Result{Class: health.ServerError})
	}
	if got := cooldown(); got != 8*time.Second {
		t.Errorf("after a while it lasts %v", got)
	}
	c.sleep(8 * time.Second)
	try(b, target, health.Result{Class: health.OK})
	c.sleep(time.Hour)
	for range 5 {
		try(b, target, health.Result{Class: health.ServerError})
	}
	if got := cooldown(); got != time.Second {
		t.Errorf("after an hour it lasts %v", got)
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	c := newClock()
	var changes []health.Change
	b := health.New(health.Options{Now: c.Now, OnChange: func(c health.Change) { changes = append(changes, c) }})
	early, _ := b.Begin(target, false)
	try(b, target, health.Result{Class: health.RateLimited, RetryAfter: 30 * time.Second})
	if s := b.Look(target, c.Now()); s.State != health.Open || !s.Opening.Asked || s.Opening.Until != c.Now().Add(30*time.Second) || s.Scope != health.OfKey {
		t.Fatalf("%+v", s)
	}
	c.sleep(time.Second)
	early.End(health.Result{Class: health.RateLimited, RetryAfter: 40 * time.Second})
	if s := b.Look(otherModel, c.Now()); s.Opening.Until != c.Now().Add(40*time.Second) {
		t.Errorf("what came later asks for longer: %+v", s.Opening)
	}
	c.sleep(40*time.Second - 1)
	if try(b, target, health.Result{}) {
		t.Error("it was tried too early")
	}
	c.sleep(1)
	if !try(b, target, health.Result{}) {
		t.Error("it was not tried in time")
	}
	try(b, target, health.Result{Class: health.Overloaded, RetryAfter: 1e6 * time.Hour})
	if s := b.Look(target, c.Now()); s.Opening.Until != c.Now().Add(time.Hour) {
		t.Errorf("nonsense is taken for %v", s.Opening.Until.Sub(c.Now()))
	}
	if len(changes) != 4 || changes[0].Again || !changes[1].Again || changes[2].Open != nil || changes[3].Place.Scope != health.OfModel || changes[3].Place.Key != (id.ProviderKey{}) {
		t.Errorf("changes %+v", changes)
	}
}

func TestOneAttemptTriesWhatIsHalfOpen(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := health.New(health.Options{Now: c.Now})
	before, _ := b.Begin(target, false)
	try(b, target, health.Result{Class: health.RateLimited})
	before.End(health.Result{Class: health.OK})
	if b.Look(target, c.Now()).State != health.Open {
		t.Fatal("an attempt from before it was ejected says nothing")
	}
	c.sleep(time.Second)
	if s := b.Look(target, c.Now()); s.State != health.HalfOpen {
		t.Fatalf("%+v", s)
	}
	trial, ok := b.Begin(target, false)
	if s := b.Look(target, c.Now()); !ok || s.State != health.Open || !s.Trying {
		t.Fatalf("%v %+v", ok, s)
	}
	if _, ok := b.Begin(otherModel, false); ok {
		t.Fatal("a second attempt tries the key")
	}
	trial.End(health.Result{Class: health.BadRequest})
	if trial, ok = b.Begin(target, false); !ok {
		t.Fatal("an attempt that says nothing blocks those after it")
	}
	trial.First()
	if s := b.Look(target, c.Now()); s.State != health.Closed {
		t.Fatalf("it answers, and %+v", s)
	}
	trial.End(health.Result{Class: health.OK})
	trial.End(health.Result{Class: health.ServerError})
	if s := b.Look(target, c.Now()); s.InFlight != 0 {
		t.Errorf("%d in flight", s.InFlight)
	}
}

// A vendor that asks for more time while a trial is under way must not leave the circuit tried for good.
func TestLongerRetryAfterDuringATrialDoesNotStickTheCircuit(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := health.New(health.Options{Now: c.Now})
	late, _ := b.Begin(target, false)
	try(b, target, health.Result{Class: health.RateLimited})
	c.sleep(2 * time.Second)
	trial, ok := b.Begin(target, false)
	if !ok {
		t.Fatal("the half-open circuit takes no trial")
	}
	late.End(health.Result{Class: health.RateLimited, RetryAfter: 20 * time.Second})
	trial.End(health.Result{Class: health.Cancelled})
	if _, ok := b.Begin(target, false); ok {
		t.Error("Retry-After is not obeyed")
	}
	c.sleep(20 * time.Second)
	if !try(b, target, health.Result{Class: health.OK}) {
		t.Errorf("it does not come back: %+v", b.Look(target, c.Now()))
	}
}

// Whatever is done to a board: what is open takes nothing but what is forced on it, a half-open circuit is tried by one at
// a time, requests that are wrong change nothing, and everything comes back.
func TestBoardAgainstAnything(t *testing.T) {
	t.Parallel()
	targets := []health.Target{target, otherKey, otherModel, otherBoth, {Provider: provider, Model: "m"}}
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		b := health.New(health.Options{Now: c.Now})
		type running struct {
			health.Attempt
			target health.Target
			trial  bool
		}
		var open []*running
		inFlight := map[health.Target]int64{}
		draw := func() health.Target { return rapid.SampledFrom(targets).Draw(t, "target") }
		end := func(r *running, class health.Class) {
			before := b.Look(r.target, c.Now())
			r.End(health.Result{Class: class, Tokens: 10, RetryAfter: time.Duration(rapid.IntRange(0, 20).Draw(t, "retry after")) * time.Second})
			inFlight[r.target]--
			if after := b.Look(r.target, c.Now()); class == health.BadRequest || class == health.Cancelled {
				if after.State > before.State || after.Stats != before.Stats {
					t.Fatalf("%v changed %+v to %+v", class, before, after)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				target, force := draw(), rapid.Bool().Draw(t, "force")
				before := b.Look(target, c.Now())
				a, ok := b.Begin(target, force)
				if ok != (force || before.State != health.Open) {
					t.Fatalf("begin is %v: %+v", ok, before)
				}
				if ok {
					trial := before.State == health.HalfOpen
					if now := b.Look(target, c.Now()); trial && (!now.Trying || now.State != health.Open) {
						t.Fatalf("%+v is tried, and then %+v", before, now)
					}
					inFlight[target]++
					open = append(open, &running{a, target, trial})
				}
			},
			"first": func(t *rapid.T) {
				if len(open) > 0 {
					open[rapid.IntRange(0, len(open)-1).Draw(t, "which")].First()
				}
			},
			"end": func(t *rapid.T) {
				if len(open) == 0 {
					return
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				end(open[i], health.Class(rapid.IntRange(0, int(health.Malformed)).Draw(t, "class")))
				open = slices.Delete(open, i, i+1)
			},
			"wait": func(t *rapid.T) { c.sleep(time.Duration(rapid.IntRange(1, 9000).Draw(t, "ms")) * time.Millisecond) },
			"": func(t *rapid.T) {
				for _, target := range targets {
					s := b.Look(target, c.Now())
					if s.InFlight != inFlight[target] {
						t.Fatalf("%d in flight, want %d", s.InFlight, inFlight[target])
					}
					if weight, rate := s.Stats.Reliability(c.Now()); !(weight >= 0 && rate >= 0 && rate <= 1) {
						t.Fatalf("of %v attempts %v fail", weight, rate)
					}
				}
			},
		})
		for _, r := range open {
			end(r, health.Cancelled)
		}
		c.sleep(time.Hour)
		for _, target := range targets {
			if !try(b, target, health.Result{Class: health.OK}) {
				t.Fatalf("it does not come back: %+v", b.Look(target, c.Now()))
			}
			if s := b.Look(target, c.Now()); s.State != health.Closed || s.InFlight != 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func TestFigures(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := health.New(health.Options{Now: c.Now})
	rng := rand.New(rand.NewPCG(1, 2))
	var waits []float64
	for range 400 {
		wait := time.Duration((0.1 + rng.ExpFloat64()) * float64(time.Second))
		waits = append(waits, wait.Seconds())
		a, _ := b.Begin(target, false)
		c.sleep(wait)
		a.First()
		c.sleep(time.Second)
		a.End(health.Result{Class: health.OK, Tokens: 50})
		c.sleep(-wait - time.Second) // all at the same moment, so that all weigh the same
	}
	s := b.Look(target, c.Now().Add(time.Minute)).Stats
	slices.Sort(waits)
	for _, q := range []struct{ got, want float64 }{
		{s.FirstToken.P50, waits[200]}, {s.FirstToken.P95, waits[380]}, {s.FirstToken.Mean, 1.1}, {s.Speed.Mean, 50}, {s.Speed.P50, 50},
	} {
		if math.Abs(q.got-q.want) > 0.25*q.want {
			t.Errorf("%.3f, want about %.3f", q.got, q.want)
		}
	}
	if weight, rate := s.Reliability(c.Now()); weight > 101 || rate > 0.001 {
		t.Errorf("%v attempts, %v fail", weight, rate)
	}
	for range 4 {
		try(b, target, health.Result{Class: health.ServerError})
	}
	s = b.Look(target, c.Now()).Stats
	if _, rate := s.Reliability(c.Now()); math.Abs(rate-0.04) > 0.01 || math.Abs(s.Failed[health.ServerError]-4) > 0.2 {
		t.Errorf("after four failures %.3f fail, %v", rate, s.Failed)
	}
	if half, _ := s.Reliability(s.At.Add(health.HalfLife)); math.Abs(half-s.Attempts/2) > 1e-6 {
		t.Errorf("after the half-life it stands for %v of %v", half, s.Attempts)
	}
	if _, later := s.Reliability(c.Now().Add(time.Hour)); math.Abs(later-0.02) > 1e-6 {
		t.Errorf("an hour later %v fail", later)
	}
	c.sleep(1000 * time.Hour) // far beyond what weights can grow to
	try(b, target, health.Result{Class: health.OK, Tokens: 7})
	if s = b.Look(target, c.Now()).Stats; math.Abs(s.Attempts-1) > 1e-6 || math.IsNaN(s.Speed.Mean) {
		t.Errorf("%+v", s)
	}
}

// Callers can ask for as many models as they like.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := health.New(health.Options{Now: c.Now})
	busy := 0
	for i := range 3 * health.MaxTargets {
		c.sleep(time.Millisecond)
		if i%10 == 0 {
			try(b, target, health.Result{Class: health.OK})
		}
		try(b, health.Target{Provider: elsewhere.Provider, Model: fmt.Sprint(i), Key: keyA}, health.Result{Class: health.NoModel})
		if b.Look(target, c.Now()).Stats == nil {
			busy++
		}
	}
	cells, circuits := b.Size()
	if cells > health.MaxTargets || circuits > 4*health.MaxTargets {
		t.Errorf("%d targets and %d circuits", cells, circuits)
	}
	if busy > 0 {
		t.Errorf("what is in use was forgotten %d times", busy)
	}
}

// Many at once, for the race detector; what they leave behind must add up.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	changes := 0
	c := newClock()
	b := health.New(health.Options{Now: c.Now, OnChange: func(health.Change) { mu.Lock(); changes++; mu.Unlock() }})
	targets := []health.Target{target, otherKey, otherModel, elsewhere}
	var wg sync.WaitGroup
	for worker := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(worker, 0))
			for range 2000 {
				target := targets[rng.IntN(len(targets))]
				b.Look(target, c.Now())
				b.Ejected(target.Provider)
				a, ok := b.Begin(target, rng.IntN(10) == 0)
				if !ok {
					c.sleep(100 * time.Millisecond)
					continue
				}
				a.First()
				a.End(health.Result{Class: health.Class(rng.IntN(13)), Tokens: 5})
			}
		})
	}
	wg.Wait()
	for _, target := range targets {
		if s := b.Look(target, c.Now()); s.InFlight != 0 || s.Trying {
			t.Errorf("%+v", s)
		}
	}
	if changes == 0 {
		t.Error("nothing ever changed")
	}
}

// An attempt that another one outpaced says that the target is slow, and not that it fails.
func TestOutpacedIsSlowAndNoFailure(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := health.New(health.Options{Now: c.Now})
	outpaced := func(after time.Duration) {
		a, _ := b.Begin(target, false)
		c.sleep(after)
		a.Outpaced()
		a.Outpaced()
	}
	outpaced(time.Millisecond)
	if s := b.Look(target, c.Now()); s.Stats != nil {
		t.Errorf("an attempt that had no time says %+v", s.Stats.FirstToken)
	}
	first, _ := b.Begin(target, false)
	c.sleep(time.Second)
	first.First()
	first.End(health.Result{Class: health.Cancelled})
	for range 20 {
		outpaced(3 * time.Second)
	}
	s := b.Look(target, c.Now())
	if weight, _ := s.Stats.Reliability(c.Now()); s.State != health.Closed || s.InFlight != 0 || weight != 0 || s.Stats.FirstToken.Mean < 2 {
		t.Errorf("%+v %+v", s, s.Stats)
	}
	before := s.Stats.FirstToken.Mean
	for range 20 {
		outpaced(time.Millisecond)
	}
	if s = b.Look(target, c.Now()); s.Stats.FirstToken.Mean != before {
		t.Errorf("attempts that had no time make the first token come after %v s, and not %v", s.Stats.FirstToken.Mean, before)
	}
	try(b, target, health.Result{Class: health.RateLimited})
	c.sleep(2 * time.Second)
	trial, _ := b.Begin(target, false)
	trial.Outpaced()
	if s := b.Look(target, c.Now()); s.State != health.HalfOpen {
		t.Errorf("an outpaced trial leaves %+v", s)
	}
}
