package usage

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/id"
	"aihigress/internal/page"
)

// samplePlan is a plan as large as most get: as many targets as it keeps, and usual names.
func samplePlan() *Plan {
	p := &Plan{Strategy: "balanced", More: 2}
	for i, out := range []string{"", "", "", "rate_limited", "reasoning", "vision+context"} {
		t := Planned{ProviderSlug: []string{"openai", "azure-eu", "vertex"}[i%3], UpstreamModel: "gpt-4.1-mini-2025-04-14", KeyID: id.New[id.ProviderKey](), Out: out}
		if out == "" {
			t.Score = new(0.8125 * float64(i+1))
		}
		p.Targets = append(p.Targets, t)
	}
	return p
}

// A plan is brief: in the spool, and in the row, whatever the names are.
func TestPlanIsBrief(t *testing.T) {
	t.Parallel()
	sample := samplePlan()
	if n := len(appendPlan(nil, sample)); n > 400 {
		t.Errorf("a usual plan takes %d bytes of the spool", n)
	}
	long := strings.Repeat("x", 1000)
	largest := &Plan{Strategy: long}
	for range 100 {
		largest.Targets = append(largest.Targets, Planned{ProviderSlug: long, UpstreamModel: long, Out: long, KeyID: id.New[id.ProviderKey]()})
	}
	if n := len(appendPlan(nil, largest)); n > 1100 {
		t.Errorf("the largest plan takes %d bytes of the spool", n)
	}
	if row := appendPlanJSON(nil, sample); len(row) > 650 {
		t.Errorf("a usual plan takes %d bytes of its row: %s", len(row), row)
	}
}

// A request keeps its plan all the way to who reads the log, and one without has none.
func TestRequestsKeepTheirPlan(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	planned, plain := h.event(noon), h.event(noon.Add(time.Second))
	planned.Plan = samplePlan()
	for _, e := range []Event{planned, plain} {
		if err := s.Finish(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.booker(s).Drain(job(context.Background())); err != nil {
		t.Fatal(err)
	}
	reader := job(t.Context())
	reports := NewReports(h.pool, nil)
	for _, e := range []Event{planned, plain} {
		got, err := reports.Request(reader, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e.Plan, got.Plan); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	list, err := reports.Requests(reader, RequestFilter{}, OldestFirst, page.Args{})
	if err != nil || len(list.Items) != 2 || list.Items[0].Plan == nil || list.Items[1].Plan != nil {
		t.Errorf("%+v, %v", list, err)
	}
}
