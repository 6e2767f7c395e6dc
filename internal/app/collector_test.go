package app

import (
	"runtime"
	"testing"
	"time"
)

func TestGarbagePercent(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		what string
		w    heapWeight
		want int
	}{
		{"nothing yet", heapWeight{}, 400},
		{"a small node", heapWeight{live: 10 * mib, pointed: 8 * mib, rest: 2 * mib}, 400},
		{"streams", heapWeight{live: 20 * mib, pointed: 15 * mib, rest: 4 * mib}, 200},
		{"large bodies", heapWeight{live: 40 * mib, pointed: 15 * mib, rest: 10 * mib}, 64},
		{"more of them", heapWeight{live: 230 * mib, pointed: 20 * mib, rest: 10 * mib}, 10},
		{"as much to look into", heapWeight{live: 100 * mib, pointed: 90 * mib}, 90},
		{"very much to look into", heapWeight{live: 1 << 34, pointed: 1 << 34}, 100},
		{"hardly anything to look into", heapWeight{live: 1 << 34, pointed: mib}, 10},
	} {
		if got := garbagePercent(c.w); got != c.want {
			t.Errorf("%s: %d %%, want %d %%", c.what, got, c.want)
		}
	}
}

// What is in use may grow by as much between two looks as calls bring: the collector is told after each of its runs.
func TestCollectionTellsOfEveryRun(t *testing.T) {
	t.Parallel()
	c := &collection{ran: make(chan struct{}, 1)}
	c.arm()
	for range 5 {
		runtime.GC()
		select {
		case <-c.ran:
		case <-time.After(10 * time.Second):
			t.Fatal("a run was not told of")
		}
	}
	c.stopped.Store(true)
}
