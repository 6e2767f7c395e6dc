package provider_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/fault"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	f := open(t)
	rate := func(p money.Price) *pricing.Rate { return &pricing.Rate{Input: &p, Output: &p} }
	in := input()
	in.Models = []provider.ModelInput{
		{UpstreamID: "a-unpriced"}, {UpstreamID: "dear", Rate: rate(9)}, {UpstreamID: "cheap", Rate: rate(2)},
	}
	made := f.create(in)
	off, err := f.UpsertModel(f.admin, made.ID, provider.ModelInput{UpstreamID: "off", Rate: rate(0)})
	if err != nil {
		t.Fatal(err)
	}
	no := false
	if _, err := f.SetModel(f.admin, off.ID, provider.ModelChange{Enabled: &no}); err != nil {
		t.Fatal(err)
	}

	steps := []struct {
		name    string
		status  int
		err     error
		listErr error
		state   provider.State
		text    string
		changed bool
	}{
		{"first", 200, nil, nil, provider.Healthy, "", true},
		{"same", 200, nil, nil, provider.Healthy, "", false},
		{"refused credential", 401, nil, nil, provider.Unhealthy, "HTTP 401", true},
		{"away", 0, fault.Wrap(errors.New("dial tcp 10.0.0.1"), fault.Upstream, "the provider could not be reached"), nil, provider.Unhealthy, "the provider could not be reached", false},
		{"back", 200, nil, nil, provider.Healthy, "", true},
		{"takes no chat, but lists", 400, nil, nil, provider.Healthy, "", false},
		{"takes no chat, and lists nothing", 404, nil, fault.New(fault.Upstream, "no").WithCode("http_503"), provider.Unhealthy, "HTTP 503", true},
	}
	for _, s := range steps {
		f.vendor.status, f.vendor.err, f.vendor.listErr = s.status, s.err, s.listErr
		before := len(f.bus.events)
		health, err := f.Probe(f.admin, made.ID)
		if err != nil || health.State != s.state || health.Error != s.text {
			t.Errorf("%s: %+v, %v", s.name, health, err)
		}
		if changed := len(f.bus.events) > before; changed != s.changed {
			t.Errorf("%s: published %v", s.name, changed)
		} else if changed && !cmp.Equal(f.bus.events[before], health) {
			t.Errorf("%s: published %+v", s.name, f.bus.events[before])
		}
		if got, err := f.Get(f.admin, made.ID); err != nil || !cmp.Equal(got.Health, health) {
			t.Errorf("%s: stored %+v, %v", s.name, got.Health, err)
		}
	}
	if len(f.vendor.probed) != len(steps) || slices.ContainsFunc(f.vendor.probed, func(m string) bool { return m != "cheap" }) {
		t.Errorf("asked %q", f.vendor.probed)
	}

	// A probe that began before another one was stored changes nothing, and tells nothing.
	f.vendor.status, f.vendor.err, f.vendor.listErr = 200, nil, nil
	f.vendor.during = func() {
		f.exec("UPDATE provider_health SET checked_at = clock_timestamp(), changed_at = clock_timestamp()")
	}
	before := len(f.bus.events)
	if stale, err := f.Probe(f.admin, made.ID); err != nil || stale.State != provider.Unhealthy || len(f.bus.events) != before {
		t.Errorf("a stale probe: %+v, %v, told %d", stale, err, len(f.bus.events)-before)
	}
	f.vendor.during = nil

	ctx, cancel := context.WithCancel(f.admin)
	cancel()
	if _, err := f.Probe(ctx, made.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if got, _ := f.Get(f.admin, made.ID); got.Health.Error != "HTTP 503" {
		t.Errorf("a cancelled probe was stored: %+v", got.Health)
	}
}

func TestRequestsForJobs(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	f.exec("UPDATE river_job SET state = 'running', attempted_at = now()")
	base := "https://elsewhere.example/v1"
	if _, err := f.Update(f.admin, made.ID, provider.UpdateInput{BaseURL: &base}); err != nil {
		t.Fatal(err)
	}
	if got := f.jobs(); len(got) != 2 {
		t.Errorf("a change while the jobs of the one before are running has none of its own: %q", got)
	}
	f.exec("UPDATE river_job SET state = 'completed', finalized_at = now()")
	for range 2 {
		if err := errors.Join(f.RequestProbe(f.admin, made.ID), f.RequestDiscovery(f.admin, made.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.jobs(); len(got) != 2 {
		t.Errorf("unfinished jobs are doubled: %q", got)
	}
	f.exec("UPDATE river_job SET state = 'completed', finalized_at = now()")
	if err := f.RequestProbe(f.admin, made.ID); err != nil {
		t.Fatal(err)
	}
	if got := f.jobs(); !slices.Equal(got, []string{"provider_probe"}) {
		t.Errorf("probe now: %q", got)
	}
	in := input()
	in.Slug, in.Disabled = "off", true
	f.create(in)
	f.exec("DELETE FROM river_job")
	if n, err := f.ProbeAll(f.admin); n != 1 || err != nil {
		t.Errorf("probe all: %d, %v", n, err)
	}
	if n, err := f.DiscoverAll(f.admin); n != 1 || err != nil || len(f.jobs()) != 2 {
		t.Errorf("discover all: %d, %v, %q", n, err, f.jobs())
	}
}
