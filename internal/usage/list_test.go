package usage

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"aihigress/internal/authz"
	"aihigress/internal/event"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

// reports are on the house's database, and a bus that stays in this process.
func (h *house) reports() *Reports { return NewReports(h.pool, event.New(nil, discard)) }

// book books events, whatever their times.
func (h *house) book(events ...Event) {
	h.t.Helper()
	s := openSpool(h.t, h.t.TempDir())
	for _, e := range events {
		must(h.t, s.Finish(e))
	}
	must(h.t, h.booker(s).Drain(job(context.Background())), s.Close())
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func TestRequestComesBackAsItWasBooked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	want := h.event(noon)
	want.Tags = map[string]string{"team": "blue"}
	want.Attempts = append(want.Attempts, Attempt{ProviderSlug: "other", Status: 503, Error: "overloaded", StartedAt: noon, Charge: 12})
	want.Usage.CacheWrite1h, want.Usage.Reasoning = 5, 7
	want.Usage.ImageInput, want.Usage.ImageOutput, want.Usage.ToolUses = 11, 13, 2
	bare := h.event(noon.Add(time.Second))
	bare.ProviderID, bare.FirstToken, bare.Charge, bare.Cost, bare.Attempts = nil, 0, nil, nil, nil
	bare.Outcome, bare.Unpriced = Refused, true
	h.book(want, bare)

	for _, e := range []Event{want, bare} {
		got, err := h.reports().Request(as(t.Context(), authz.Admin, id.New[id.User]()), e.ID)
		must(t, err)
		if diff := cmp.Diff(fromEvent(&e), got, cmpopts.IgnoreFields(Request{}, "NodeID"), cmpopts.EquateEmpty()); diff != "" {
			t.Error("request (-want +got):\n", diff)
		}
	}
}

func TestRequestsAreTheReadersOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	mine, theirs := h.event(noon), h.event(noon)
	theirs.UserID, theirs.AccountID = h.open()
	h.book(mine, theirs)
	r := h.reports()
	member, admin := as(t.Context(), authz.Member, h.user), as(t.Context(), authz.Admin, h.user)

	if _, err := r.Request(member, theirs.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's request: %v, want not found", err)
	}
	got, err := r.Request(member, mine.ID)
	must(t, err)
	if got.Cost != nil || got.Charge == nil {
		t.Errorf("a member sees cost %v and charge %v", got.Cost, got.Charge)
	}
	if got, err = r.Request(admin, theirs.ID); err != nil || got.Cost == nil {
		t.Errorf("an admin sees cost %v, %v", got.Cost, err)
	}
	for name, c := range map[string]struct {
		ctx    context.Context
		filter RequestFilter
		want   int
	}{
		"member":              {member, RequestFilter{}, 1},
		"member asks another": {member, RequestFilter{UserID: &theirs.UserID}, 0},
		"admin":               {admin, RequestFilter{}, 2},
	} {
		p, err := r.Requests(c.ctx, c.filter, NewestFirst, page.Args{})
		must(t, err)
		if len(p.Items) != c.want || *p.Total != c.want {
			t.Errorf("%s: %d requests of %d, want %d", name, len(p.Items), *p.Total, c.want)
		}
	}
	p, err := r.Requests(member, RequestFilter{}, NewestFirst, page.Args{})
	if err != nil || p.Items[0].Cost != nil {
		t.Errorf("a member's list shows costs: %v", err)
	}
}

func TestReportsNeedAnActor(t *testing.T) {
	t.Parallel()
	r := NewReports(nil, nil)
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"requests":   func() error { _, err := r.Requests(ctx, RequestFilter{}, NewestFirst, page.Args{}); return err },
		"request":    func() error { _, err := r.Request(ctx, id.New[id.Request]()); return err },
		"logged":     func() error { _, err := r.Logged(ctx, RequestFilter{}); return err },
		"live":       func() error { _, err := r.Live(ctx, MetricFilter{}); return err },
		"metrics":    func() error { _, err := r.Metrics(ctx, MetricsInput{}); return err },
		"fold":       func() error { return r.Fold(ctx) },
		"partitions": func() error { return r.EnsurePartitions(ctx) },
		"drop":       func() error { return r.DropExpired(ctx, 30*day) },
	} {
		if err := do(); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s without an actor: %v", name, err)
		}
	}
}

func TestRequestsRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, f := range map[string]RequestFilter{
		"outcome": {Outcomes: []Outcome{"FINE"}}, "nul": {RequestID: "a\x00"}, "utf-8": {Model: "\xff"},
		"tag": {Tags: map[string]string{"a": "\x00"}},
	} {
		if _, err := h.reports().Requests(job(t.Context()), f, NewestFirst, page.Args{}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if _, err := h.reports().Requests(job(t.Context()), RequestFilter{}, NewestFirst, page.Args{After: "nonsense"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("cursor: %v, want invalid", err)
	}
}

// Postgres and the live tail must agree on what a filter means, and pages together are the whole list.
func TestRequestsFiltersAndPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other, _ := h.open()
	var events []Event
	var all []Request
	for i := range 120 {
		e := h.event(noon.Add(time.Duration(i/3) * time.Hour)) // three at the same instant, over five days
		e.Model = []string{"small", "large"}[i%2]
		e.Outcome = Outcomes()[i%len(Outcomes())]
		e.HTTPStatus = 200 + i%5*100
		e.Streamed = i%3 == 0
		e.RequestID = []string{"a", "b", "c", "d"}[i%4]
		e.Tags = map[string]string{"team": []string{"red", "blue"}[i/2%2], "n": []string{"1", "2"}[i%2]}
		if i%7 == 0 {
			e.ProviderID = nil
		}
		if i%5 == 0 {
			e.UserID, e.KeyID = other, id.New[id.Key]()
		}
		events = append(events, e)
		all = append(all, fromEvent(&e))
	}
	h.book(events...)
	r := h.reports()
	rapid.Check(t, func(rt *rapid.T) {
		f := drawFilter(rt, all)
		order := rapid.SampledFrom([]Order{NewestFirst, OldestFirst}).Draw(rt, "order")
		r.patience = rapid.SampledFrom([]patience{usualPatience, {first: 5 * time.Hour, count: time.Minute}, {first: time.Hour, pieces: time.Hour, count: time.Minute}}).Draw(rt, "patience")
		if r.patience.pieces == 0 && (f.To.IsZero() || f.From.IsZero()) { // else there are very many pages up to now
			f.From, f.To = noon.Add(10*time.Hour), noon.Add(48*time.Hour)
		}
		size := rapid.IntRange(1, 100).Draw(rt, "size")
		var want []id.Request
		for i := range all {
			if f.matches(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		var got []id.Request
		args := page.Args{First: size}
		for {
			p, err := r.Requests(job(t.Context()), f, order, args)
			must(t, err)
			if p.SearchedTo == nil && p.HasNext && len(p.Items) < size {
				rt.Fatalf("a page of %d is not full and does not say why", len(p.Items))
			}
			if *p.Total != len(want) {
				rt.Fatalf("total %d, want %d", *p.Total, len(want))
			}
			for i, item := range p.Items {
				if n := len(got); i > 0 && item.StartedAt.After(p.Items[i-1].StartedAt) == (order == NewestFirst) && !item.StartedAt.Equal(p.Items[i-1].StartedAt) {
					rt.Fatalf("item %d is out of order", n)
				}
				got = append(got, item.ID)
			}
			if !p.HasNext {
				break
			}
			args.After = p.End()
		}
		byID := func(a, b id.Request) int { return slices.Compare(a.UUID[:], b.UUID[:]) }
		slices.SortFunc(got, byID)
		slices.SortFunc(want, byID)
		if !slices.Equal(got, want) {
			rt.Fatalf("%d requests, want %d", len(got), len(want))
		}
	})
}

func drawFilter(t *rapid.T, all []Request) (f RequestFilter) {
	like := rapid.SampledFrom(all).Draw(t, "like")
	sometimes := func(label string, set func()) {
		if rapid.IntRange(0, 3).Draw(t, label) == 0 {
			set()
		}
	}
	sometimes("user", func() { f.UserID = &like.UserID })
	sometimes("key", func() { f.KeyID = &like.KeyID })
	sometimes("provider", func() { f.ProviderID = like.ProviderID })
	sometimes("model", func() { f.Model = like.Model })
	sometimes("outcomes", func() { f.Outcomes = []Outcome{like.Outcome, OK} })
	sometimes("no outcomes", func() { f.Outcomes = []Outcome{} })
	sometimes("status", func() { f.StatusMin, f.StatusMax = like.HTTPStatus, like.HTTPStatus+100 })
	sometimes("from", func() { f.From = like.StartedAt })
	sometimes("to", func() { f.To = like.StartedAt.Add(3 * time.Hour) })
	sometimes("request id", func() { f.RequestID = like.RequestID })
	sometimes("streamed", func() { f.Streamed = &like.Streamed })
	sometimes("tags", func() { f.Tags = map[string]string{"team": like.Tags["team"]} })
	return f
}

func TestLoggedTellsTheReadersOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.reports()
	ctx, cancel := context.WithCancel(as(t.Context(), authz.Member, h.user))
	defer cancel()
	logged, err := r.Logged(ctx, RequestFilter{Outcomes: []Outcome{OK}})
	must(t, err)
	mine, theirs, failed := h.event(noon), h.event(noon), h.event(noon)
	theirs.UserID, failed.Outcome = id.New[id.User](), UpstreamError
	shared := LoggedBatch{Requests: []Request{fromEvent(&theirs), fromEvent(&failed), fromEvent(&mine)}}
	r.bus.Publish(ctx, TopicLogged, shared)
	got := <-logged
	if got.ID != mine.ID || got.Cost != nil || got.Charge == nil {
		t.Errorf("got %+v, want mine without its cost", got)
	}
	if shared.Requests[2].Cost == nil {
		t.Error("the shared message was changed")
	}
	cancel()
	if _, open := <-logged; open {
		t.Error("more came, or the channel is still open")
	}
}
