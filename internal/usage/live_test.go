package usage

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/authz"
	"aihigress/internal/event"
	"aihigress/internal/id"
)

// Two nodes are at work, and one watcher sees the sum of both, about once a second.
func TestLiveMergesNodes(t *testing.T) {
	t.Parallel()
	spools := []*Spool{openSpool(t, t.TempDir()), openSpool(t, t.TempDir())}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(authz.With(t.Context(), authz.Job("test")))
		bus := event.New(nil, discard)
		var nodes sync.WaitGroup
		defer nodes.Wait()
		defer cancel()
		r := NewReports(nil, bus)
		live, err := r.Live(ctx, MetricFilter{})
		must(t, err)
		e := sampleEvent(time.Now())
		for i, s := range spools {
			m := NewMeter(s, bus)
			nodes.Go(func() { m.Run(ctx) })
			for n := range 10 * (i + 1) {
				one := e
				one.Duration = time.Duration(n+1) * 100 * time.Millisecond
				if n == 0 {
					one.Outcome = UpstreamError
				}
				must(t, m.Admitted(ctx, &one), m.Finished(ctx, &one))
			}
			waiting := e
			must(t, m.Admitted(ctx, &waiting))
			if m.InFlight() != 1 {
				t.Errorf("%d are in flight on a node, want 1", m.InFlight())
			}
		}
		// The frames and the watcher's tick fall on the same instant: the second tick has seen the first frames.
		<-live
		m := <-live
		if m.Nodes != 2 || m.InFlight != 2 {
			t.Errorf("%d nodes with %d in flight, want 2 and 2", m.Nodes, m.InFlight)
		}
		if m.Duration.P99 == 0 || !near(m.Duration.P50, 800*time.Millisecond) || !near(m.FirstToken.P95, e.FirstToken) {
			t.Errorf("durations %+v, first token %+v", m.Duration, m.FirstToken)
		}
		for range 12 {
			m = <-live
		}
		if m.RequestsPerSecond != 0 || m.Duration != (Percentiles{}) || m.InFlight != 2 {
			t.Errorf("long after: %+v, want only what is in flight", m)
		}
	})
}

func TestLiveRates(t *testing.T) {
	t.Parallel()
	a, b := id.New[id.Node](), id.New[id.Node]()
	e := sampleEvent(noon)
	failed := e
	failed.Outcome = Truncated
	frame := func(node id.Node, events ...Event) LiveFrame {
		rows := map[series]*liveCount{}
		m := Meter{rows: rows}
		for _, e := range events {
			m.row(seriesOf(&e)).add(&e)
		}
		f := LiveFrame{Node: node, Interval: time.Second}
		for s, row := range rows {
			f.Rows = append(f.Rows, LiveRow{series: s, Counts: row.counts, Times: row.times})
		}
		return f
	}
	w := watch{}
	w.add(noon, frame(a, e))
	w.add(noon, frame(b, e, e, failed))
	w.add(noon.Add(time.Second), frame(a, e, e))
	m := w.metrics(noon.Add(1500 * time.Millisecond))
	// a's last second and b's last second.
	if m.RequestsPerSecond != 5 || m.ErrorsPerSecond != 1 || m.ChargePerSecond != 5*sampleCharge ||
		math.Abs(m.TokensPerSecond-float64(5*e.Usage.Total())) > 1e-6 || m.Nodes != 2 {
		t.Errorf("metrics %+v", m)
	}
	if m = w.metrics(noon.Add(3 * time.Second)); m.Nodes != 1 || m.RequestsPerSecond != 2 || !near(m.Duration.P50, e.Duration) {
		t.Errorf("once b is silent: %+v", m)
	}
	if m = w.metrics(noon.Add(time.Minute)); m.Nodes != 0 || m.Duration.P50 != 0 || len(w.frames) != 0 {
		t.Errorf("once all are silent: %+v", m)
	}
}

func TestLiveIsTheReadersOwn(t *testing.T) {
	t.Parallel()
	mine, theirs := sampleEvent(noon), sampleEvent(noon)
	rows := []LiveRow{
		{series: seriesOf(&mine), Counts: Counts{Requests: 1}}, {series: seriesOf(&theirs), Counts: Counts{Requests: 10}},
		{series: seriesAtAdmission(&mine), InFlight: 3}, {series: seriesAtAdmission(&theirs), InFlight: 30},
	}
	for name, c := range map[string]struct {
		filter   MetricFilter
		owner    *id.User
		requests float64
		inFlight int64
	}{
		"all":              {MetricFilter{}, nil, 11, 33},
		"own":              {MetricFilter{}, &mine.UserID, 1, 3},
		"another's":        {MetricFilter{UserID: &theirs.UserID}, &mine.UserID, 0, 0},
		"another's key":    {MetricFilter{KeyID: &theirs.KeyID}, &mine.UserID, 0, 0},
		"key":              {MetricFilter{KeyID: &theirs.KeyID}, nil, 10, 30},
		"model":            {MetricFilter{Model: "unheard of"}, nil, 0, 0},
		"provider":         {MetricFilter{ProviderID: mine.ProviderID}, nil, 1, 33},
		"own and provider": {MetricFilter{ProviderID: theirs.ProviderID}, &mine.UserID, 0, 3},
	} {
		f, nothing := c.filter.cut(c.owner)
		w := watch{filter: f, nothing: nothing}
		w.add(noon, LiveFrame{Interval: time.Second, Rows: rows})
		if m := w.metrics(noon); m.RequestsPerSecond != c.requests || m.InFlight != c.inFlight {
			t.Errorf("%s: %v requests a second and %d in flight, want %v and %d", name, m.RequestsPerSecond, m.InFlight, c.requests, c.inFlight)
		}
	}
}

// A frame goes through JSON to other nodes, and must stay below what the bus carries.
func TestLargestFrameIsCarried(t *testing.T) {
	t.Parallel()
	s := openSpool(t, t.TempDir())
	m := NewMeter(s, newHeard())
	for i := range 5 * maxLiveRows {
		e := sampleEvent(time.Now())
		e.Model = "a-model-with-a-rather-long-name/and-a-path-before-it-as-some-vendors-have"
		must(t, m.Admitted(t.Context(), &e))
		if i%2 == 0 {
			for n := range 20 {
				e.Duration, e.FirstToken = time.Millisecond<<n, time.Millisecond<<n
				must(t, m.Finished(t.Context(), &e))
			}
		}
	}
	inFlight := m.InFlight()
	frame := m.frame(time.Now())
	raw, err := json.Marshal(frame)
	must(t, err)
	if len(raw) > event.MaxMessage {
		t.Errorf("a frame of %d rows has %d bytes", len(frame.Rows), len(raw))
	}
	var back LiveFrame
	must(t, json.Unmarshal(raw, &back))
	var requests, waiting int64
	for _, row := range back.Rows {
		requests += row.Requests
		waiting += row.InFlight
	}
	if requests != 50*maxLiveRows || waiting != inFlight {
		t.Errorf("a frame tells of %d requests and %d in flight, want %d and %d", requests, waiting, 50*maxLiveRows, inFlight)
	}
	w, other := watch{}, watch{}
	w.add(noon, frame)
	other.add(noon, back)
	if diff := cmp.Diff(w.metrics(noon).Duration, other.metrics(noon).Duration); diff != "" {
		t.Error("through JSON (-want +got):\n", diff)
	}
}

func TestMeterCountsOnceAndReportsAFailedWrite(t *testing.T) {
	t.Parallel()
	s := openSpool(t, t.TempDir())
	m := NewMeter(s, newHeard())
	refused, e := sampleEvent(time.Now()), sampleEvent(time.Now())
	refused.Outcome = Refused
	must(t, m.Finished(t.Context(), &refused), m.Admitted(t.Context(), &e))
	must(t, s.Close())
	late := sampleEvent(time.Now())
	if err := m.Admitted(t.Context(), &late); !errors.Is(err, errClosed) {
		t.Errorf("admitted although nothing was written: %v", err)
	}
	if err := m.Finished(t.Context(), &e); !errors.Is(err, errClosed) {
		t.Errorf("finished although nothing was written: %v", err)
	}
	if m.InFlight() != 0 {
		t.Errorf("%d are in flight", m.InFlight())
	}
	frame := m.frame(time.Now())
	if len(frame.Rows) != 1 || frame.Rows[0].Refused != 1 || frame.Rows[0].Duration.Count() != 0 {
		t.Errorf("frame %+v, want the refused one without a duration", frame.Rows)
	}
}

// TestAnIdleNodeIsCounted holds that a node which nobody calls is one of the cluster's all the same.
func TestAnIdleNodeIsCounted(t *testing.T) {
	t.Parallel()
	busy, idle := NewMeter(openSpool(t, t.TempDir()), newHeard()), NewMeter(openSpool(t, t.TempDir()), newHeard())
	e := sampleEvent(time.Now())
	must(t, busy.Admitted(t.Context(), &e), busy.Finished(t.Context(), &e))
	var w watch
	for second := range 5 {
		now := noon.Add(time.Duration(second) * time.Second)
		w.add(now, busy.frame(now))
		w.add(now, idle.frame(now))
		if m := w.metrics(now); m.Nodes != 2 {
			t.Errorf("after %d s: %d nodes, want 2", second, m.Nodes)
		}
	}
}
