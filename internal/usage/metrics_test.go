package usage

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// counted are events by model and day part, over three days before noon.
func (h *house) counted() []Event {
	var events []Event
	for i := range 300 {
		e := h.event(noon.Add(-time.Duration(i*13) * time.Minute))
		e.Model = "model-" + string(rune('a'+i*i%13))
		e.Outcome = Outcomes()[i%len(Outcomes())]
		e.Duration = time.Duration(1+i%50) * 20 * time.Millisecond
		e.Unpriced = i%9 == 0
		events = append(events, e)
	}
	return events
}

// expected is what the series of all these events would be.
func expected(set SeriesSet, events []Event) []Point {
	points := set.points(make([]bucket, set.To.Sub(set.From)/set.Step))
	times := make([]Times, len(points))
	for i := range events {
		e := &events[i]
		if e.StartedAt.Before(set.From) || !e.StartedAt.Before(set.To) {
			continue
		}
		n := e.StartedAt.Sub(set.From) / set.Step
		points[n].add(e)
		times[n].add(e)
	}
	for i := range points {
		points[i].Duration, points[i].FirstToken = percentilesOf(times[i].Duration), percentilesOf(times[i].FirstToken)
	}
	return points
}

// Minutes, hours and days give the same sums, however much of them is folded, and with whatever comes late.
func TestMetricsAgreeWithTheEvents(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.reports()
	events := h.counted()
	check := func(when string) {
		t.Helper()
		for _, step := range []time.Duration{7 * time.Minute, time.Hour, 5 * time.Hour, day} {
			in := MetricsInput{From: noon.Add(-60 * time.Hour), To: noon.Add(time.Hour), Step: step}
			set, err := r.metrics(t.Context(), in, nil, true, noon)
			must(t, err)
			if len(set.Series) != 1 {
				t.Fatalf("%s: %d series", when, len(set.Series))
			}
			if diff := cmp.Diff(expected(set, events), set.Series[0].Points); diff != "" {
				t.Fatalf("%s, step %v (-want +got):\n%s", when, step, diff)
			}
		}
	}
	h.book(events[:250]...)
	booked := events
	events = booked[:250]
	check("not folded")
	must(t, r.fold(t.Context(), noon))
	check("folded")
	must(t, r.fold(t.Context(), noon))
	check("folded twice")
	before := query[int64](h, `SELECT sum(requests)::bigint FROM usage_buckets WHERE step_seconds = 86400`)

	h.book(booked[250:]...) // late: the oldest
	events = booked
	must(t, r.fold(t.Context(), noon))
	check("late events folded")
	if after := query[int64](h, `SELECT sum(requests)::bigint FROM usage_buckets WHERE step_seconds = 86400`); before != 250 || after != 300 {
		t.Errorf("days count %d, then %d; want 250 and 300", before, after)
	}
}

// An hour whose minutes are partly gone must not be made anew from the rest.
func TestFoldLeavesAlonePrunedHours(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.reports()
	first, late := h.event(noon), h.event(noon.Add(time.Minute))
	h.book(first)
	must(t, r.fold(t.Context(), noon))
	later := noon.Add(minuteRetention + day)
	must(t, r.dropExpired(t.Context(), later, 100*day))
	if got := query[int](h, `SELECT count(*) FROM usage_buckets WHERE step_seconds = 60`); got != 0 {
		t.Fatalf("%d minutes are left", got)
	}
	h.book(late)
	must(t, r.fold(t.Context(), later))
	if got := query[int](h, `SELECT sum(requests)::int FROM usage_buckets WHERE step_seconds = 3600`); got != 1 {
		t.Errorf("the hour counts %d, want the 1 that it had", got)
	}
}

func TestMetricsGroupByTheLargest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.reports()
	events := h.counted()
	h.book(events...)
	in := MetricsInput{From: noon.Add(-72 * time.Hour), To: noon.Add(time.Hour), Step: 6 * time.Hour, GroupBy: []Dimension{ByModel}}
	set, err := r.metrics(t.Context(), in, nil, true, noon)
	must(t, err)
	byModel := map[string][]Event{}
	for _, e := range events {
		byModel[e.Model] = append(byModel[e.Model], e)
	}
	rest := slices.Clone(events)
	last := len(events)
	for i, s := range set.Series {
		if s.Group.Other != (i == len(set.Series)-1 && len(byModel) > MaxGroups) {
			t.Fatalf("series %d: other is %v", i, s.Group.Other)
		}
		of := rest
		if !s.Group.Other {
			of = byModel[*s.Group.Model]
			if len(of) > last {
				t.Errorf("series %d has more requests than the one before", i)
			}
			last = len(of)
			rest = slices.DeleteFunc(rest, func(e Event) bool { return e.Model == *s.Group.Model })
			if s.Group.UserID != nil || s.Group.KeyID != nil || s.Group.ProviderID != nil {
				t.Errorf("series %d is of %+v, want a model only", i, s.Group)
			}
		}
		if diff := cmp.Diff(expected(set, of), s.Points); diff != "" {
			t.Errorf("series %d %+v (-want +got):\n%s", i, s.Group, diff)
		}
	}
	if want := min(len(byModel), MaxGroups+1); len(set.Series) != want {
		t.Errorf("%d series of %d models, want %d", len(set.Series), len(byModel), want)
	}
}

func TestMetricsAreTheReadersOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := time.Now()
	mine, theirs := h.event(now), h.event(now)
	theirs.UserID, theirs.AccountID = h.open()
	theirs.KeyID = id.New[id.Key]()
	h.book(mine, theirs)
	in := MetricsInput{From: now.Add(-time.Hour), To: now.Add(time.Hour), Step: 3 * time.Hour}
	total := func(ctx context.Context, f MetricFilter) (sum Counts) {
		t.Helper()
		in.Filter = f
		set, err := h.reports().Metrics(ctx, in)
		must(t, err)
		for _, s := range set.Series {
			for _, p := range s.Points {
				sum.Requests += p.Requests
				sum.Cost = sum.Cost.Add(p.Cost)
			}
		}
		return sum
	}
	member, admin := as(t.Context(), authz.Member, h.user), as(t.Context(), authz.Admin, h.user)
	if got := total(member, MetricFilter{}); got != (Counts{Requests: 1}) {
		t.Errorf("a member sees %+v", got)
	}
	if got := total(member, MetricFilter{UserID: &theirs.UserID}); got != (Counts{}) {
		t.Errorf("a member sees of another %+v", got)
	}
	if got := total(admin, MetricFilter{}); got.Requests != 2 || got.Cost != 2*sampleCharge {
		t.Errorf("an admin sees %+v", got)
	}
	for name, f := range map[string]MetricFilter{
		"key": {KeyID: &theirs.KeyID}, "provider": {ProviderID: theirs.ProviderID}, "user": {UserID: &theirs.UserID},
	} {
		if got := total(admin, f); got.Requests != 1 {
			t.Errorf("by %s: %+v", name, got)
		}
	}
	if got := total(admin, MetricFilter{Model: "unheard of"}); got.Requests != 0 {
		t.Errorf("by model: %+v", got)
	}
}

func TestMetricsRange(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]MetricsInput{
		"backwards":   {From: noon, To: noon.Add(-1)},
		"empty":       {From: noon, To: noon},
		"too many":    {From: noon.Add(-10 * day), To: noon, Step: time.Minute},
		"part minute": {From: noon.Add(-time.Hour), To: noon, Step: 90 * time.Second},
		"negative":    {From: noon.Add(-time.Hour), To: noon, Step: -time.Minute},
	} {
		if set, err := in.frame(noon); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, set, err)
		}
	}
	for back, want := range map[time.Duration]time.Duration{
		time.Hour: time.Minute, 3 * time.Hour: time.Minute, 12 * time.Hour: 5 * time.Minute, day: 15 * time.Minute,
		7 * day: time.Hour, 30 * day: 6 * time.Hour, 90 * day: day, 4000 * day: 30 * day,
	} {
		set, err := MetricsInput{From: noon.Add(-back), To: noon}.frame(noon)
		if err != nil || set.Step != want {
			t.Errorf("range of %v has steps of %v, %v; want %v", back, set.Step, err, want)
		}
	}
	set, err := MetricsInput{From: noon.Add(-20 * day), To: noon, Step: 90 * time.Minute}.frame(noon)
	if err != nil || set.Step != 2*time.Hour {
		t.Errorf("beyond the minutes' retention: step %v, %v; want whole hours", set.Step, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := MetricsInput{From: drawTime(t, "from"), Step: time.Duration(rapid.IntRange(1, 3000).Draw(t, "step")) * time.Minute}
		in.To = in.From.Add(time.Duration(rapid.Int64Range(1, int64(30*day)).Draw(t, "range")))
		set, err := in.frame(in.To)
		if err != nil {
			return
		}
		if n := int(set.To.Sub(set.From) / set.Step); n < 1 || n > MaxPoints || set.From.After(in.From) || set.To.Before(in.To) ||
			in.From.Sub(set.From) >= set.Step || set.To.Sub(in.To) >= set.Step {
			t.Fatalf("%v to %v became %v to %v in %d points", in.From, in.To, set.From, set.To, n)
		}
	})
}
