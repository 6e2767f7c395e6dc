package usage

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aihigress/db"
	"aihigress/internal/id"
)

// varied are events of three users with two keys each, of two providers or none, and of many models.
func (h *house) varied(n int) []Event {
	var users []id.User
	var accounts []id.Account
	keys, providers := map[id.User][]id.Key{}, []id.Provider{id.New[id.Provider](), id.New[id.Provider]()}
	for range 3 {
		user, account := h.open()
		users, accounts = append(users, user), append(accounts, account)
		keys[user] = []id.Key{id.New[id.Key](), id.New[id.Key]()}
	}
	var events []Event
	for i := range n {
		e := h.event(noon.Add(-time.Duration(i*11) * time.Minute))
		u := i * i % 3
		e.UserID, e.AccountID, e.KeyID = users[u], accounts[u], keys[users[u]][i/3%2]
		e.Model = "model-" + string(rune('a'+i*i%17))
		if e.ProviderID = &providers[i%2]; i%7 == 0 {
			e.ProviderID = nil
		}
		e.Outcome = Outcomes()[i%len(Outcomes())]
		e.Duration = time.Duration(1+i%50) * 20 * time.Millisecond
		events = append(events, e)
	}
	return events
}

// TestMetricsAgreeWithTheEventsInEveryCut holds whatever is asked, from whichever rows it is answered, against the events.
func TestMetricsAgreeWithTheEventsInEveryCut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.reports()
	events := h.varied(400)
	var booked []Event
	for _, part := range []struct {
		when string
		of   []Event
		fold bool
	}{
		{"not folded", events[100:300], false}, {"folded", nil, true},
		{"partly folded", events[:50], false}, {"with late events", slices.Concat(events[50:100], events[300:]), true},
	} {
		h.book(part.of...)
		booked = append(booked, part.of...)
		if part.fold {
			must(t, r.fold(t.Context(), noon))
			// The margin before the last fold, which no test waits for, ends before these events.
			h.exec("UPDATE usage_folds SET folded_at = $1", noon.Add(20*time.Minute))
		} else {
			h.exec("UPDATE usage_folds SET folded_at = $1", noon.Add(-49*11*time.Minute))
		}
		rapid.Check(t, func(rt *rapid.T) {
			in, owner := drawMetrics(rt, events)
			set, err := r.metrics(t.Context(), in, owner, true, noon)
			must(t, err)
			if diff := gocmp.Diff(expectedSeries(set, in, owner, booked), set.Series); diff != "" {
				rt.Fatalf("%s (-want +got):\n%s", part.when, diff)
			}
		})
	}
}

func drawMetrics(rt *rapid.T, events []Event) (in MetricsInput, owner *id.User) {
	in = MetricsInput{From: noon.Add(-rapid.SampledFrom([]time.Duration{75, 40}).Draw(rt, "hours") * time.Hour), To: noon.Add(time.Minute)}
	in.Step = rapid.SampledFrom([]time.Duration{7 * time.Minute, quarter, 45 * time.Minute, time.Hour, 5 * time.Hour, day}).Draw(rt, "step")
	in.GroupBy = rapid.SliceOfNDistinct(rapid.SampledFrom([]Dimension{ByUser, ByKey, ByProvider, ByModel}), 0, 3, func(d Dimension) Dimension { return d }).Draw(rt, "groups")
	like := rapid.SampledFrom(events).Draw(rt, "like")
	sometimes := func(label string, set func()) {
		if rapid.IntRange(0, 3).Draw(rt, label) == 0 {
			set()
		}
	}
	sometimes("owner", func() { owner = &like.UserID })
	sometimes("user", func() { in.Filter.UserID = &like.UserID })
	sometimes("key", func() { in.Filter.KeyID = &like.KeyID })
	sometimes("provider", func() { in.Filter.ProviderID = like.ProviderID })
	sometimes("model", func() { in.Filter.Model = like.Model })
	return in, owner
}

// expectedSeries is what the events give, put together one by one.
func expectedSeries(set SeriesSet, in MetricsInput, owner *id.User, events []Event) []Series {
	by := in.cut(set, nil, time.Time{}, time.Time{}).By
	groups := map[db.UsageGroup][]Event{}
	for _, e := range events {
		row := LiveRow{series: seriesOf(&e)}
		if !in.Filter.matches(&row) || owner != nil && e.UserID != *owner || e.StartedAt.Before(set.From) || !e.StartedAt.Before(set.To) {
			continue
		}
		g := groupOf(db.UsageGroup{UserID: e.UserID.UUID, KeyID: e.KeyID.UUID, ProviderID: row.Provider.UUID, Model: e.Model}, by)
		groups[g] = append(groups[g], e)
	}
	if len(in.GroupBy) == 0 {
		return []Series{{Points: expected(set, groups[db.UsageGroup{}])}}
	}
	var order []db.UsageGroup
	for g := range groups {
		order = append(order, g)
	}
	slices.SortFunc(order, func(a, b db.UsageGroup) int {
		return cmp.Or(cmp.Compare(len(groups[b]), len(groups[a])), slices.Compare(a.UserID[:], b.UserID[:]), slices.Compare(a.KeyID[:], b.KeyID[:]),
			slices.Compare(a.ProviderID[:], b.ProviderID[:]), cmp.Compare(a.Model, b.Model))
	})
	var all []Series
	for _, g := range order[:min(MaxGroups, len(order))] {
		all = append(all, Series{Group: named(g, by), Points: expected(set, groups[g])})
	}
	var others []Event
	for _, g := range order[min(MaxGroups, len(order)):] {
		others = append(others, groups[g]...)
	}
	if len(others) > 0 {
		all = append(all, Series{Group: Group{Other: true}, Points: expected(set, others)})
	}
	return all
}

// TestFoldSumsHoursOfAReleaseThatKeptNone holds that what was counted before there were sums is in them, though its minutes
// are gone; also where that release ran in between, for longer than minutes are kept.
func TestFoldSumsHoursOfAReleaseThatKeptNone(t *testing.T) {
	t.Parallel()
	for name, folds := range map[string]string{
		"before": "TRUNCATE usage_folds", "in between": "UPDATE usage_folds SET folded_at = '2026-02-01'",
	} {
		h := newHouse(t)
		r := h.reports()
		h.book(h.varied(100)...)
		must(t, r.fold(t.Context(), noon))
		h.exec("TRUNCATE usage_sums")
		h.exec(folds)
		h.exec("DELETE FROM usage_buckets WHERE step_seconds = 60")
		must(t, r.fold(t.Context(), noon.Add(minuteRetention)))
		for _, step := range []int{3600, 86400} {
			for _, dimension := range sumDimensions {
				const of = `SELECT coalesce(sum(requests), 0)::int FROM usage_sums WHERE step_seconds = $1 AND dimension = $2`
				if got := query[int](h, of, step, dimension); got != 100 {
					t.Errorf("%s: %s in steps of %d s: %d requests, want 100", name, dimension, step, got)
				}
			}
		}
	}
}

// The first fold of a long history may be ended before it is through. The next goes on, and does not sum up again the days that
// have their sums.
func TestFirstFoldGoesOnWhereItWasEnded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.reports()
	h.book(h.varied(100)...)
	must(t, r.fold(t.Context(), noon))
	h.exec("DELETE FROM usage_buckets WHERE step_seconds = 60")
	today := noon.Truncate(day)
	h.exec("TRUNCATE usage_folds")
	h.exec("DELETE FROM usage_sums WHERE started_at >= $1", today)
	h.exec("UPDATE usage_sums SET requests = 1000000 WHERE step_seconds = 3600 AND started_at < $1", today) // would be put right if summed up again
	must(t, r.fold(t.Context(), noon.Add(minuteRetention)))
	const of = `SELECT coalesce(max(requests), 0)::int FROM usage_sums WHERE step_seconds = 3600 AND dimension = 'all' AND started_at < $1`
	if got := query[int](h, of, today); got != 1000000 {
		t.Errorf("an hour of a day with sums was summed up again: %d", got)
	}
	for _, step := range []int{3600, 86400} {
		const of = `SELECT coalesce(sum(requests), 0)::int FROM usage_sums WHERE step_seconds = $1 AND dimension = 'all' AND started_at >= $2`
		want := query[int](h, `SELECT count(*)::int FROM requests WHERE started_at >= $1`, today)
		if got := query[int](h, of, step, today); got != want || want == 0 {
			t.Errorf("in steps of %d s the rest has %d requests, want %d", step, got, want)
		}
	}
}
