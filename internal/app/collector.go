package app

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// garbage is how many bytes of it there may be before it is collected, where GOGC does not say. In use is little, some ten
	// megabytes, and a call leaves tens of kilobytes behind: by Go's own rule alone, the collector would run many times a second
	// for next to nothing.
	garbage = 48 << 20
	// heapSize is what memory in use and garbage may come to before there is less garbage for more memory in use, down to
	// leastGarbage: that is mostly bodies of requests, which the collector need not look into. Where there is more that it must
	// look into, there may be as much garbage, as Go itself has it.
	heapSize, leastGarbage = 72 << 20, 24 << 20
	// leastPercent and mostPercent bound what the collector is told for that.
	leastPercent, mostPercent = 10, 400
	// weighEvery is how often it is looked at whether a node has nothing to do: no calls, and not more than littleWork bytes
	// taken since the last look.
	weighEvery, littleWork = time.Second, 1 << 20
	// tidyAfter is for how many looks a node must have had nothing to do to give memory back to the system, where it took more
	// than tidyFor bytes since it last did.
	tidyAfter, tidyFor = 10, 4 << 20
)

// A heapWeight is what the collector last found, in bytes.
type heapWeight struct {
	live    uint64 // in use
	pointed uint64 // of it, what may hold pointers
	rest    uint64 // stacks and globals, which Go counts with what is in use
}

// garbagePercent is what the collector is told for the garbage that there may be beside so much.
func garbagePercent(w heapWeight) int {
	allowed := max(min(garbage, heapSize-min(w.live, heapSize)), leastGarbage, w.pointed)
	return int(min(max(100*allowed/max(w.live+w.rest, 1), leastPercent), mostPercent))
}

// weigh reads what the collector last found, and how much was taken since the start.
func weigh() (w heapWeight, taken uint64) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/heap:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	var read [5]uint64
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			read[i] = s.Value.Uint64()
		}
	}
	return heapWeight{live: read[0], pointed: min(read[1], read[0]), rest: read[2] + read[3]}, read[4]
}

// A collection tells of every run of the collector, on a channel that holds one: an object is left to the collector, and when it
// is gone the next one.
type collection struct {
	ran     chan struct{}
	stopped atomic.Bool
}

func (c *collection) arm() {
	runtime.AddCleanup(&struct{ _ *byte }{}, func(c *collection) { // with a pointer, so that no other object lies in the same block
		if !c.stopped.Load() {
			c.arm() // before it is told, so that the next run is told of however soon it comes
		}
		select {
		case c.ran <- struct{}{}:
		default:
		}
	}, c)
}

// collect sets how often the collector runs, unless the environment says it, and gives memory back to the system once a node
// that was busy has nothing to do. It ends with ctx.
func (g *Gateway) collect(ctx context.Context) error {
	collections := &collection{ran: make(chan struct{}, 1)}
	defer collections.stopped.Store(true)
	told := 100
	if os.Getenv("GOGC") == "" {
		told = tell(told)
		collections.arm()
	}
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	idle, begun := 0, int64(0)
	var looked, tidied uint64 // what was taken by then
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-collections.ran:
			told = tell(told)
		case <-tick.C:
			_, taken := weigh()
			now := g.meter.Begun()
			if idle++; now != begun || g.meter.InFlight() > 0 || taken-looked > littleWork {
				begun, idle = now, 0
			}
			looked = taken
			if idle >= tidyAfter && taken-tidied > tidyFor {
				tidied = taken
				runtime.GC() // pools keep over one collection what the next takes
				debug.FreeOSMemory()
			}
		}
	}
}

// tell tells the collector how much garbage there may be, where that is not about what it was told last.
func tell(told int) int {
	w, _ := weigh()
	percent := garbagePercent(w)
	if percent >= told*9/10 && percent <= told*11/10 {
		return told
	}
	debug.SetGCPercent(percent)
	return percent
}
