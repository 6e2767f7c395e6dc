package overload

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// highShare and lowShare of the limit are the marks: above the high one new calls are turned away, until less than the
	// low one is in use.
	highShare = 0.85
	lowShare  = 0.70
	// sampleEvery is how often memory is weighed: what comes in between is bounded by the budget of bodies.
	sampleEvery = 100 * time.Millisecond
	// collectEvery is how often garbage is collected at most to learn what of the memory in use is needed.
	collectEvery = 2 * time.Second
	// usualRetry is what callers are told where nothing is known of how fast memory comes free.
	usualRetry = 5 * time.Second
)

// A Meter weighs memory.
type Meter interface {
	InUse() uint64 // in bytes, garbage that was not collected yet included
	Collect()      // collects the garbage
}

// Memory turns new calls away while the process needs too much memory. A nil Memory has no limit. It is safe for concurrent
// use; Sample and Run are for one owner.
type Memory struct {
	limit, high, low uint64
	meter            Meter
	log              *slog.Logger
	now              func() time.Time

	since   atomic.Int64 // when it began to turn calls away, in Unix nanoseconds; 0 where it does not
	retry   atomic.Int64 // what callers are told, in nanoseconds
	refused atomic.Int64

	peak      uint64 // since then
	collected time.Time
}

// NewMemory guards a limit in bytes.
func NewMemory(limit uint64, meter Meter, log *slog.Logger, now func() time.Time) *Memory {
	return &Memory{
		limit: limit, high: uint64(highShare * float64(limit)), low: uint64(lowShare * float64(limit)), meter: meter, log: log, now: now,
	}
}

// Full reports whether new calls are turned away.
func (m *Memory) Full() bool { return m != nil && m.since.Load() != 0 }

// Refuse counts a call that is turned away, and says after which time it may come again: when memory is likely to be below
// the low mark, by how fast it came free so far.
func (m *Memory) Refuse() time.Duration {
	m.refused.Add(1)
	return time.Duration(m.retry.Load())
}

// Refused is how many calls were turned away.
func (m *Memory) Refused() int64 {
	if m == nil {
		return 0
	}
	return m.refused.Load()
}

// Limit is in bytes; 0 is none.
func (m *Memory) Limit() uint64 {
	if m == nil {
		return 0
	}
	return m.limit
}

// High is the mark in bytes above which calls are turned away.
func (m *Memory) High() uint64 { return m.high }

// Run weighs memory until ctx ends.
func (m *Memory) Run(ctx context.Context) error {
	if m == nil {
		return nil
	}
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.Sample()
		}
	}
}

// Sample weighs memory once.
func (m *Memory) Sample() {
	now, inUse, full := m.now(), m.meter.InUse(), m.since.Load() != 0
	if mark := m.mark(full); inUse >= mark && now.Sub(m.collected) >= collectEvery {
		// How much of that is garbage nobody knows before it is collected, and while few calls come nobody else does.
		m.collected = now
		m.meter.Collect()
		inUse = m.meter.InUse()
	} else if inUse >= mark && !full {
		return // garbage since the last collection, perhaps: the limit of Go's own collector bounds that
	}
	switch {
	case !full && inUse >= m.high:
		m.peak = inUse
		m.retry.Store(int64(usualRetry))
		m.since.Store(now.UnixNano())
		m.log.Warn("new calls are refused, since memory runs short", "in_use", inUse, "limit", m.limit)
	case full && inUse < m.low:
		took := now.Sub(time.Unix(0, m.since.Load()))
		m.since.Store(0)
		m.log.Info("calls are taken again", "in_use", inUse, "limit", m.limit, "after", took)
	case full:
		m.peak = max(m.peak, inUse)
		took := now.Sub(time.Unix(0, m.since.Load()))
		if freed := m.peak - inUse; freed > 0 {
			left := float64(inUse-m.low) / float64(freed) * float64(took)
			m.retry.Store(int64(min(max(time.Duration(left), shortest), longest)))
		}
	}
}

// mark is what memory in use is held against.
func (m *Memory) mark(full bool) uint64 {
	if full {
		return m.low
	}
	return m.high
}

// Heap is the meter of this process: what Go has in use, without what it keeps for later or gave back.
type Heap struct{}

// InUse implements Meter.
func (Heap) InUse() (sum uint64) {
	samples := [...]metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/metadata/mspan/inuse:bytes"}, {Name: "/memory/classes/metadata/other:bytes"},
		{Name: "/memory/classes/os-stacks:bytes"},
	}
	metrics.Read(samples[:])
	for i := range samples {
		sum += samples[i].Value.Uint64()
	}
	return sum
}

// Collect implements Meter.
func (Heap) Collect() { runtime.GC() }
