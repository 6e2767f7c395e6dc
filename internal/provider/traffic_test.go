package provider_test

import (
	"slices"
	"testing"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/provider"
)

// booked is a minute of calls, some minutes ago.
func (f *fixture) booked(by id.Provider, ago time.Duration, requests, errors, output int) {
	f.Helper()
	f.exec(`INSERT INTO usage_buckets (step_seconds, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
			cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost, duration_histogram, first_token_histogram)
		VALUES (60, date_trunc('minute', now() - $2::interval), $3, $4, $1, 'm', $5, $6, 0, 1, 0, 0, $7, 0, 0, 0, 0, '{}', '{}')`,
		by, ago.String(), id.New[id.User](), id.New[id.Key](), requests, errors, output)
}

func TestProviderWithLiveTrafficIsNotProbed(t *testing.T) {
	t.Parallel()
	f := open(t)
	of := func(slug string) provider.Provider {
		in := input()
		in.Slug = slug
		return f.create(in)
	}
	busy, failing, left, quiet := of("busy"), of("failing"), of("left"), of("quiet")
	f.booked(busy.ID, time.Minute, 10, 9, 5)
	f.booked(failing.ID, time.Minute, 10, 10, 5)
	f.booked(left.ID, time.Minute, 1, 0, 0) // its caller did not wait for it
	f.booked(quiet.ID, time.Hour, 10, 0, 5)
	f.exec("DELETE FROM river_job")
	if n, err := f.ProbeAll(f.admin); n != 3 || err != nil || len(f.jobs()) != 3 {
		t.Errorf("%d are probed: %v", n, err)
	}
	if got := f.strings("SELECT args->>'provider_id' FROM river_job WHERE args->>'provider_id' = $1", busy.ID.String()); len(got) != 0 {
		t.Error("a busy provider is probed")
	}
	got, err := f.Get(f.admin, busy.ID)
	if h := got.Health; err != nil || h.State != provider.Healthy || h.Source != provider.FromTraffic || time.Since(h.CheckedAt) > time.Minute {
		t.Errorf("the busy one's health: %+v, %v", h, err)
	}
	if len(f.bus.events) != 1 || f.bus.events[0].ProviderID != busy.ID {
		t.Errorf("published %+v", f.bus.events)
	}

	// Calls from before it was found unhealthy prove nothing.
	f.vendor.listErr = fault.New(fault.Upstream, "no").WithCode("http_503")
	if _, err := f.Probe(f.admin, busy.ID); err != nil {
		t.Fatal(err)
	}
	f.exec("DELETE FROM river_job")
	if n, err := f.ProbeAll(f.admin); n != 4 || err != nil {
		t.Errorf("%d are probed: %v", n, err)
	}
	f.exec("UPDATE provider_health SET changed_at = changed_at - interval '3 minutes'")
	f.exec("DELETE FROM river_job")
	if n, err := f.ProbeAll(f.admin); n != 3 || err != nil {
		t.Errorf("%d are probed: %v", n, err)
	}
	if got, err := f.Get(f.admin, busy.ID); err != nil || got.Health.State != provider.Healthy {
		t.Errorf("the busy one's health: %+v, %v", got.Health, err)
	}
}

// opened and closed are what a board says of a place.
func opened(scope health.Scope, t health.Target, why health.Class) health.Change {
	now := time.Now()
	return health.Change{Place: health.Place{Scope: scope, Target: t}, Open: &health.Opening{Why: why, Since: now, Until: now.Add(time.Second)}}
}

func closed(scope health.Scope, t health.Target) health.Change {
	return health.Change{Place: health.Place{Scope: scope, Target: t}}
}

func (f *fixture) observe(c health.Change) time.Time {
	f.Helper()
	again, err := f.Observe(f.admin, c)
	if err != nil {
		f.Fatal(err)
	}
	return again
}

func TestObserveProvider(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	at := health.Target{Provider: made.ID}
	state := func() string {
		got, err := f.Get(f.admin, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		return string(got.Health.State) + " " + string(got.Health.Source) + " " + got.Health.Error
	}
	f.observe(closed(health.OfProvider, at)) // nobody had heard that it was open
	for range 3 {                            // nodes
		f.observe(opened(health.OfProvider, at, health.Unreached))
	}
	if got := state(); got != "unhealthy traffic not reached" {
		t.Errorf("while it is out of use: %s", got)
	}
	again := f.observe(closed(health.OfProvider, at))
	if got := state(); got != "healthy traffic " {
		t.Errorf("when it is back: %s", got)
	}
	if wait := time.Until(again); wait < 50*time.Second || wait > time.Minute {
		t.Errorf("the end is told after %v", wait)
	}
	f.late.Store(int64(2 * time.Minute))
	if again := f.observe(closed(health.OfProvider, at)); !again.IsZero() {
		t.Errorf("the end is told after %v more", again)
	}
	if got, want := f.told(), []string{"provider.down Vendor is out of use: not reached", "provider.up Vendor answers again"}; !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
	if n := len(f.bus.events); n != 3 { // healthy, unhealthy, healthy
		t.Errorf("%d changes of health are published", n)
	}
	f.observe(opened(health.OfTarget, at, health.ServerError))
	f.observe(opened(health.OfProvider, health.Target{Provider: id.New[id.Provider]()}, health.ServerError))
	if got := f.told(); len(got) != 2 {
		t.Errorf("of one target or none is told: %q", got)
	}
}

func TestObserveModel(t *testing.T) {
	t.Parallel()
	f := open(t)
	in := input()
	in.Models = []provider.ModelInput{{UpstreamID: "known"}}
	made := f.create(in)
	at := func(model string) health.Target { return health.Target{Provider: made.ID, Model: model} }
	f.observe(opened(health.OfModel, at("made up by a caller"), health.NoModel))
	f.observe(opened(health.OfModel, at("known"), health.Overloaded))
	f.observe(opened(health.OfModel, at("known"), health.NoModel))
	f.late.Store(int64(2 * time.Minute))
	f.observe(closed(health.OfModel, at("known")))
	if got, want := f.told(), []string{"provider.model.gone Vendor no longer has the model known", "provider.model.back Vendor has the model known again"}; !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
}

func TestObserveKey(t *testing.T) {
	t.Parallel()
	f := open(t)
	made, key := f.withKey()
	at := health.Target{Provider: made.ID, Key: key.ID}
	f.exec("DELETE FROM river_job")
	f.observe(opened(health.OfKey, at, health.RateLimited))
	if got := f.jobs(); len(got) != 0 {
		t.Errorf("a key that is asked too often is checked: %q", got)
	}
	change := opened(health.OfKey, at, health.OutOfQuota)
	f.observe(change)
	change.Open.Asked, change.Open.Until = true, time.Now().Add(time.Hour)
	f.observe(change) // another node, another time: one check will do
	if got := f.jobs(); !slices.Equal(got, []string{"provider_key_check"}) {
		t.Errorf("enqueued %q", got)
	}
	if got := f.told(); len(got) != 0 {
		t.Errorf("told before it was checked: %q", got)
	}
	f.check(key.ID, provider.KeyWorks)
	f.late.Store(int64(2 * time.Minute))
	f.observe(closed(health.OfKey, at))
	want := []string{"provider.key.refused Vendor refuses calls with one of its keys", "provider.key.taken Vendor takes calls with a key again that it had refused"}
	if got := f.told(); !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
}
