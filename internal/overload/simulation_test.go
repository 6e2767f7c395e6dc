package overload_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/overload"
)

// A vendor bears so many calls at once. Each takes two seconds at the median, of which the first token is 0.4.
type vendor struct {
	mu       sync.Mutex
	capacity int
	inFlight int
	refuses  bool    // what is beyond: else everything gets slower, and in all less is done
	slowness float64 // times as slow as usual, whatever is in flight; 0 is 1
	fails    float64 // share of the calls, for no reason
}

const (
	firstToken = 400 * time.Millisecond
	restOfIt   = 1600 * time.Millisecond
	spread     = 0.6             // of what a call takes: the deviation of its logarithm
	waits      = 8 * time.Second // a call, as the proxy has it
)

// begin takes a call, and says how many times as long as usual it takes.
func (v *vendor) begin(rng *rand.Rand) (slower float64, class health.Class) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if rng.Float64() < v.fails || v.refuses && v.inFlight >= v.capacity {
		return 0, health.Overloaded
	}
	v.inFlight++
	slower = max(v.slowness, 1)
	if over := float64(v.inFlight) / float64(v.capacity); !v.refuses && over > 1 {
		slower *= math.Pow(over, 1.3)
	}
	return slower, health.OK
}

func (v *vendor) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.inFlight--
}

// tally is what came of the calls of a time.
type tally struct {
	calls, answered, rejected, shed int // rejected by the vendor, shed by the gateway
	waited, first                   time.Duration
	longest                         time.Duration // wait
}

// simulate has calls come at random, so many a second, for some minutes, each with a tally. change is told of each minute.
func simulate(t *testing.T, v *vendor, aSecond float64, minutes int, learns bool, change func(minute int)) []tally {
	t.Helper()
	out := make([]tally, minutes)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		gate := overload.New(overload.Options{})
		target, key := health.Target{Model: "m"}, id.New[id.Key]()
		rng := rand.New(rand.NewPCG(1, 5))
		var mu sync.Mutex
		var group sync.WaitGroup
		call := func(seed uint64) {
			rng := rand.New(rand.NewPCG(seed, 9))
			came := time.Now()
			minute := &out[int(came.Sub(start)/time.Minute)]
			slot, err := gate.Wait(t.Context(), key, []health.Target{target}, waits)
			waited := time.Since(came)
			class, slower := health.Cancelled, 0.0
			if err == nil {
				slower, class = v.begin(rng)
			}
			if err == nil && class == health.OK {
				slower *= math.Exp(spread * rng.NormFloat64())
				time.Sleep(time.Duration(slower * float64(firstToken))) // of the fake clock
				if learns {
					slot.First()
				}
				time.Sleep(time.Duration(slower * float64(restOfIt) * (0.5 + rng.Float64())))
				v.end()
			}
			if !learns {
				slot.End(health.Cancelled)
			}
			slot.End(class)
			mu.Lock()
			defer mu.Unlock()
			minute.calls++
			minute.waited += waited
			minute.longest = max(minute.longest, waited)
			switch {
			case err != nil:
				minute.shed++
			case class == health.OK:
				minute.answered++
				minute.first += time.Duration(slower * float64(firstToken))
			default:
				minute.rejected++
			}
		}
		for n := uint64(0); ; n++ {
			minute := int(time.Since(start) / time.Minute)
			if minute == minutes {
				break
			}
			v.mu.Lock()
			change(minute)
			v.mu.Unlock()
			group.Go(func() { call(n) })
			time.Sleep(time.Duration(rng.ExpFloat64() / aSecond * float64(time.Second)))
		}
		group.Wait()
	})
	for i := range out {
		m := &out[i]
		t.Logf("minute %d: %d calls, %d answered, %d rejected by the vendor, %d shed; wait %s on average, %s at most; first token after %s", i, m.calls, m.answered, m.rejected, m.shed,
			(m.waited / time.Duration(m.calls)).Round(time.Millisecond), m.longest.Round(time.Millisecond), (m.first / time.Duration(max(m.answered, 1))).Round(time.Millisecond))
	}
	return out
}

func steady(int) {}

// A vendor that refuses what is beyond twenty gets three times as many calls as it can do. It does nearly all that it can, and is
// asked for little beyond.
func TestSimulationOfAVendorThatRefuses(t *testing.T) {
	t.Parallel()
	without := simulate(t, &vendor{capacity: 20, refuses: true}, 30, 6, false, steady)
	for i, m := range simulate(t, &vendor{capacity: 20, refuses: true}, 30, 6, true, steady) {
		if without[i].rejected < 10*m.rejected {
			t.Errorf("minute %d: the vendor rejects %d, and %d without a limit", i, m.rejected, without[i].rejected)
		}
		// 500 is what it can do in a minute.
		if i > 0 && (m.answered < 420 || m.rejected*20 > m.calls) {
			t.Errorf("minute %d: %+v", i, m)
		}
	}
}

// One that gets slow instead, and does the less in all the more it is asked for, is kept where it does most.
func TestSimulationOfAVendorThatGetsSlow(t *testing.T) {
	t.Parallel()
	without := simulate(t, &vendor{capacity: 20}, 30, 6, false, steady)
	for i, m := range simulate(t, &vendor{capacity: 20}, 30, 6, true, steady) {
		if i > 1 && (m.answered < 400 || m.first/time.Duration(m.answered) > 2*time.Second) {
			t.Errorf("minute %d: %+v", i, m)
		}
		if i > 1 && 10*m.answered < 17*without[i].answered { // it is usually more than twice as many
			t.Errorf("minute %d: %d answered, and %d without a limit", i, m.answered, without[i].answered)
		}
	}
}

// A vendor that can do three times as much from minute three on does within the next minute.
func TestSimulationOfAVendorThatGrows(t *testing.T) {
	t.Parallel()
	v := &vendor{capacity: 20, refuses: true}
	all := simulate(t, v, 30, 6, true, func(minute int) {
		if minute >= 3 {
			v.capacity = 90
		}
	})
	for i, m := range all[4:] {
		if m.answered*100 < m.calls*95 {
			t.Errorf("minute %d: %+v", 4+i, m)
		}
	}
}

// Who calls a vendor that is well does not notice that there is a limit, not even when a call in three hundred is refused. That
// a vendor takes five times as long as usual from one second to the next looks like too much at first; within the minute it
// is found to be no matter of how much is in flight.
func TestSimulationOfAHealthyVendor(t *testing.T) {
	t.Parallel()
	const change = 3
	v := &vendor{capacity: 1000, refuses: true, fails: 1. / 300}
	all := simulate(t, v, 30, 6, true, func(minute int) {
		if minute >= change {
			v.slowness = 5
		}
	})
	for i, m := range all {
		if i != change && m.shed > 0 || m.shed*3 > m.calls || (i < change || i > change+1) && m.longest > 0 {
			t.Errorf("minute %d: %d of %d calls were shed, one waited for %s", i, m.shed, m.calls, m.longest)
		}
	}
}
