package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// garbage is how many bytes of it there may be before it is collected, where GOGC does not say, and not less than there is
	// memory in use. In use is little, some ten megabytes, and a call leaves tens of kilobytes behind: by Go's own rule alone,
	// the collector would run many times a second for next to nothing.
	garbage = 48 << 20
	// leastPercent and mostPercent bound what the collector is told for that.
	leastPercent, mostPercent = 100, 400
	// weighEvery is how often that is looked at.
	weighEvery = time.Second
	// tidyAfter is for how many looks a node must have had nothing to do to give memory back to the system.
	tidyAfter = 10
)

// garbagePercent is what the collector is told where so many bytes are in use.
func garbagePercent(live uint64) int {
	return int(min(max(100*garbage/max(live, 1), leastPercent), mostPercent))
}

// collect sets how often the collector runs, unless the environment says it, and gives memory back to the system once a node
// that was busy has nothing to do. It ends with ctx.
func (g *Gateway) collect(ctx context.Context) error {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	free := os.Getenv("GOGC") == ""
	told, idle, begun, tidied := leastPercent, 0, int64(0), int64(0)
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	for {
		if metrics.Read(live); free && live[0].Value.Kind() == metrics.KindUint64 {
			if percent := garbagePercent(live[0].Value.Uint64()); percent < told*9/10 || percent > told*11/10 {
				debug.SetGCPercent(percent)
				told = percent
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := g.meter.Begun()
		if idle++; now != begun || g.meter.InFlight() > 0 {
			begun, idle = now, 0
		}
		if idle >= tidyAfter && tidied != begun {
			tidied = begun
			debug.FreeOSMemory()
		}
	}
}
