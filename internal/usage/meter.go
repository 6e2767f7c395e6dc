package usage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"aihigress/internal/id"
)

const (
	// liveInterval is how often a node tells what it did.
	liveInterval = time.Second
	// maxLiveRows is how many series a node tells of by name; the others are one row together. It keeps a frame below what
	// the bus carries.
	maxLiveRows = 200
)

// A Meter is what the proxy reports to: it writes the spool and keeps the live counters. It is safe for concurrent use,
// asks for no permission, and waits for nothing but the kernel's taking of a record.
type Meter struct {
	spool *Spool
	bus   Publisher

	mu       sync.Mutex
	rows     map[series]*liveCount // since the last frame
	begun    int64                 // requests admitted since the start
	inFlight map[series]int64      // by the series without a provider, which is not known at admission
	since    time.Time             // of the last frame
}

type liveCount struct {
	counts Counts
	times  Times
}

// NewMeter makes a meter that writes to the spool and publishes on TopicLive.
func NewMeter(spool *Spool, bus Publisher) *Meter {
	return &Meter{
		spool: spool, bus: bus, rows: map[series]*liveCount{}, inFlight: map[series]int64{}, since: time.Now(),
	}
}

// Node is the node that the meter counts for.
func (m *Meter) Node() id.Node { return m.spool.Node() }

// Admitted records that a request is let through. Usage, Charge and Cost are the estimate of its input by now. Where it
// fails the request must be refused, since a kill would leave no trace of it.
func (m *Meter) Admitted(_ context.Context, e *Event) error {
	if err := m.spool.append(admittedRecord, e); err != nil {
		return fmt.Errorf("record admission: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e.admitted = true
	m.begun++
	m.inFlight[seriesAtAdmission(e)]++
	return nil
}

// Finished records how a request ended; it may never have been admitted. The answer's last bytes may go out only once it
// has returned nil: where it fails, the request is booked as truncated at the next start.
func (m *Meter) Finished(_ context.Context, e *Event) error {
	err := m.spool.append(finishedRecord, e)
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.admitted {
		e.admitted = false
		m.landed(seriesAtAdmission(e))
	}
	if err != nil {
		return fmt.Errorf("record end of request: %w", err)
	}
	m.row(seriesOf(e)).add(e)
	return nil
}

func (m *Meter) landed(s series) {
	if m.inFlight[s]--; m.inFlight[s] <= 0 {
		delete(m.inFlight, s)
	}
}

func (m *Meter) row(s series) *liveCount {
	row := m.rows[s]
	if row == nil && len(m.rows) >= maxLiveRows {
		s = series{}
		row = m.rows[s]
	}
	if row == nil {
		row = new(liveCount)
		m.rows[s] = row
	}
	return row
}

func (c *liveCount) add(e *Event) {
	c.counts.add(e)
	c.times.add(e)
}

func seriesAtAdmission(e *Event) series { return series{User: e.UserID, Key: e.KeyID, Model: e.Model} }

// Begun is how many requests were admitted since the start.
func (m *Meter) Begun() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begun
}

// InFlight is how many requests are admitted and have not ended.
func (m *Meter) InFlight() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum int64
	for _, n := range m.inFlight {
		sum += n
	}
	return sum
}

// Run publishes the counters every second until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	tick := time.NewTicker(liveInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			m.bus.Publish(ctx, TopicLive, m.frame(now))
		}
	}
}

// frame takes the counters since the last one. It has no rows where nothing happened, and is told all the same: an idle node
// is one of the cluster's.
func (m *Meter) frame(now time.Time) LiveFrame {
	m.mu.Lock()
	rows, since := m.rows, m.since
	m.rows, m.since = make(map[series]*liveCount, len(rows)), now
	frame := LiveFrame{Node: m.spool.Node(), Interval: now.Sub(since)}
	for s, n := range m.inFlight {
		if len(frame.Rows) == maxLiveRows {
			frame.Rows[0].InFlight += n // of a series that is not its own, but the sum is right
			continue
		}
		frame.Rows = append(frame.Rows, LiveRow{series: s, InFlight: n})
	}
	m.mu.Unlock()
	for s, row := range rows {
		frame.Rows = append(frame.Rows, LiveRow{series: s, Counts: row.counts, Times: row.times})
	}
	return frame
}
