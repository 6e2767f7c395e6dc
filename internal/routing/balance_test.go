package routing_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"aihigress/internal/health"
	"aihigress/internal/pricing"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// The weights of a model say which of its routes is the best balanced.
func TestBalanceIsSettable(t *testing.T) {
	t.Parallel()
	known := standings{}
	priced := func(slug string, credits int64, firstToken, failed float64) snapshot.Route {
		r := route(slug, 1, 0)
		r.Upstream = &snapshot.ProviderModel{Rate: pricing.Rate{Input: priced(credits), Output: priced(credits)}}
		s := &health.Stats{At: noon, Attempts: 100, FirstToken: health.Spread{Count: 1, Mean: firstToken}, Speed: health.Spread{Count: 1, Mean: 1e6}}
		s.Failed[health.ServerError] = failed
		known[health.Target{Provider: r.Provider.ID, Model: "m"}] = health.Standing{Stats: s}
		return r
	}
	routes := []snapshot.Route{priced("fast", 3_000_000, 1, 20), priced("cheap", 1_000_000, 3, 20), priced("reliable", 3_000_000, 3, 0), priced("middling", 1_300_000, 1.6, 6)}
	for _, tt := range []struct {
		balance snapshot.Balance
		first   string
	}{
		{snapshot.Balance{}, "middling"},
		{snapshot.Balance{Latency: 1, Price: 1, Errors: 10}, "middling"},
		{snapshot.Balance{Latency: 1}, "fast"},
		{snapshot.Balance{Price: 0.001}, "cheap"},
		{snapshot.Balance{Errors: 1000}, "reliable"},
		{snapshot.Balance{Latency: 10, Errors: 1}, "fast"},
	} {
		for seed := range uint64(20) {
			in := routing.Input{Routes: routes, Health: known, Now: noon, Seed: seed, Balance: tt.balance}
			if got := routing.Balanced.Plan(nil, in)[0].Route.Provider.Slug; got != tt.first {
				t.Errorf("%+v: %s comes first, want %s", tt.balance, got, tt.first)
			}
		}
	}
}

// Only the proportions of the weights count, and no weights are the usual ones.
func TestBalanceIsOfProportions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		routes, _ := drawRoutes(t)
		in := routing.Input{Routes: routes, Health: drawStandings(t, routes), Now: noon, Seed: rapid.Uint64().Draw(t, "seed")}
		weight := rapid.SampledFrom([]float64{0, 1, 2, 16})
		in.Balance = snapshot.Balance{Latency: weight.Draw(t, "latency"), Price: weight.Draw(t, "price"), Errors: weight.Draw(t, "errors")}
		times := rapid.SampledFrom([]float64{1. / 64, 0.5, 4, 32}).Draw(t, "times") // powers of two: nothing is rounded
		other := in
		other.Balance = snapshot.Balance{Latency: times * in.Balance.Latency, Price: times * in.Balance.Price, Errors: times * in.Balance.Errors}
		if in.Balance == (snapshot.Balance{}) {
			other.Balance = snapshot.Balance{Latency: 1, Price: 1, Errors: 10}
		}
		same := func(a, b routing.Target) bool { return name(a) == name(b) && a.Chance == b.Chance }
		if a, b := routing.Balanced.Explain(in), routing.Balanced.Explain(other); !slices.EqualFunc(a, b, same) {
			t.Fatalf("%+v and %+v give different plans", in.Balance, other.Balance)
		}
	})
}
