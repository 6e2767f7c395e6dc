package usage

import (
	"context"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/event"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// liveWindow is what the percentiles of live metrics are taken over.
	liveWindow = 10 * time.Second
	// liveStale is after how long without a frame a node no longer counts: it missed two.
	liveStale = 2500 * time.Millisecond
	// maxLiveFrames bounds the memory of one watcher: the window of some 100 nodes.
	maxLiveFrames = 1000
)

// A LiveFrame is what one node did in about one second, as it is published on TopicLive.
type LiveFrame struct {
	Node     id.Node       `json:"node"`
	Interval time.Duration `json:"interval_ns"`
	Rows     []LiveRow     `json:"rows"`
}

// A LiveRow is one series of a frame. A series without ids is what exceeded the number of rows.
type LiveRow struct {
	series
	Counts
	Times
	InFlight int64 `json:"in_flight,omitempty"` // in rows of their own, without a provider
}

// LiveMetrics is what the whole cluster is doing.
type LiveMetrics struct {
	At                time.Time
	Nodes             int // that said something lately
	RequestsPerSecond float64
	ErrorsPerSecond   float64
	TokensPerSecond   float64
	ChargePerSecond   money.Amount
	InFlight          int64 // not cut by provider, which is not known before the end

	// Over the last ten seconds.
	Duration   Percentiles
	FirstToken Percentiles
}

// Percentiles of a histogram; all zero where it is empty.
type Percentiles struct{ P50, P95, P99 time.Duration }

func percentilesOf(h Histogram) Percentiles {
	return Percentiles{P50: h.Quantile(0.50), P95: h.Quantile(0.95), P99: h.Quantile(0.99)}
}

// A MetricFilter cuts metrics. Zero fields do not cut.
type MetricFilter struct {
	UserID     *id.User
	KeyID      *id.Key
	ProviderID *id.Provider
	Model      string
}

func (f MetricFilter) matches(row *LiveRow) bool {
	return (f.UserID == nil || row.User == *f.UserID) &&
		(f.KeyID == nil || row.Key == *f.KeyID) &&
		(f.ProviderID == nil || row.Provider == *f.ProviderID || row.InFlight > 0) &&
		(f.Model == "" || row.Model == f.Model)
}

// cut restricts the filter to what the reader may see.
func (f MetricFilter) cut(owner *id.User) (_ MetricFilter, nothing bool) {
	if owner == nil {
		return f, false
	}
	if f.UserID != nil && *f.UserID != *owner {
		return f, true
	}
	f.UserID = owner
	return f, false
}

// Live tells once a second what the cluster is doing, cut to what the reader may see, until ctx ends; then the channel is
// closed.
func (r *Reports) Live(ctx context.Context, f MetricFilter) (<-chan LiveMetrics, error) {
	grant, err := authz.Require(ctx, authz.MetricsRead)
	if err != nil {
		return nil, err
	}
	f, nothing := f.cut(grant.Filter())
	frames := event.Subscribe[LiveFrame](ctx, r.bus, TopicLive)
	out := make(chan LiveMetrics, 1)
	go func() {
		defer close(out)
		w := watch{filter: f, nothing: nothing}
		tick := time.NewTicker(liveInterval)
		defer tick.Stop()
		for {
			select {
			case frame, ok := <-frames:
				if !ok {
					return
				}
				w.add(time.Now(), frame)
			case now := <-tick.C:
				select {
				case out <- w.metrics(now):
				default: // the reader is slow, and has an older one to read
				}
			}
		}
	}()
	return out, nil
}

// A watch keeps the frames of the window.
type watch struct {
	filter  MetricFilter
	nothing bool
	frames  []seen // oldest first
}

type seen struct {
	at    time.Time
	frame LiveFrame
}

// add keeps of a frame what the filter lets through.
func (w *watch) add(now time.Time, frame LiveFrame) {
	kept := frame
	kept.Rows = nil
	for i := range frame.Rows {
		if !w.nothing && w.filter.matches(&frame.Rows[i]) {
			kept.Rows = append(kept.Rows, frame.Rows[i])
		}
	}
	if len(w.frames) == maxLiveFrames {
		w.frames = w.frames[1:]
	}
	w.frames = append(w.frames, seen{now, kept})
}

// metrics merges the frames: rates and gauges of each node's last one, percentiles of the window.
func (w *watch) metrics(now time.Time) LiveMetrics {
	for len(w.frames) > 0 && now.Sub(w.frames[0].at) > liveWindow {
		w.frames = w.frames[1:]
	}
	m := LiveMetrics{At: now}
	var times Times
	last := map[id.Node]*LiveFrame{}
	for i := range w.frames {
		f := &w.frames[i]
		for j := range f.frame.Rows {
			times.merge(f.frame.Rows[j].Times)
		}
		if now.Sub(f.at) <= liveStale {
			last[f.frame.Node] = &f.frame
		}
	}
	m.Duration, m.FirstToken = percentilesOf(times.Duration), percentilesOf(times.FirstToken)
	m.Nodes = len(last)
	for _, frame := range last {
		m.addRates(frame)
	}
	return m
}

func (m *LiveMetrics) addRates(frame *LiveFrame) {
	seconds := max(frame.Interval, time.Millisecond).Seconds()
	for i := range frame.Rows {
		row := &frame.Rows[i]
		m.RequestsPerSecond += float64(row.Requests) / seconds
		m.ErrorsPerSecond += float64(row.Errors) / seconds
		m.TokensPerSecond += float64(row.Tokens()) / seconds
		m.ChargePerSecond = m.ChargePerSecond.Add(row.Charge / money.Amount(max(1, frame.Interval.Round(time.Second)/time.Second)))
		m.InFlight += row.InFlight
	}
}
