package app

import (
	"log/slog"
	"math"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"aihigress/internal/overload"
)

// mostBodies bounds the bodies of requests in memory where the process has no limit, or a high one.
const mostBodies = 1 << 30

// newMemory guards the limit that is configured, or else Go's own (GOMEMLIMIT), or else the container's; nil without any.
// Where Go has none of its own, its collector works harder from the mark on at which calls are turned away: so they are for
// what is needed, and not for garbage.
func newMemory(limit uint64, log *slog.Logger) *overload.Memory {
	own := debug.SetMemoryLimit(-1)
	if limit == 0 && own < math.MaxInt64 {
		limit = uint64(own)
	}
	if limit == 0 {
		const none = 1 << 50 // cgroups without a limit say a number that no machine has
		if cgroup, err := memlimit.FromCgroup(); err == nil && cgroup < none {
			limit = cgroup
		}
	}
	if limit == 0 {
		return nil
	}
	m := overload.NewMemory(limit, overload.Heap{}, log, time.Now)
	if own == math.MaxInt64 {
		debug.SetMemoryLimit(int64(m.High()))
	}
	log.Info("memory is limited", "bytes", limit)
	return m
}

// maxBodies is how much of the memory the bodies of requests may take.
func maxBodies(m *overload.Memory) int64 {
	if m == nil {
		return mostBodies
	}
	return int64(min(m.Limit()/2, mostBodies))
}
