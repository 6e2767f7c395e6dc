package routing_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aihigress/internal/health"
	"aihigress/internal/pricing"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// Whatever the policy: what has the conversation is in use or does not lead; bound, it leads wherever it is in use; and the
// rest of the plan has every target once, in the same order as without.
func TestHeldTargetsLead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		routes, _ := drawRoutes(t)
		in := routing.Input{Routes: routes, Health: drawStandings(t, routes), Now: noon, Seed: rapid.Uint64().Draw(t, "seed")}
		policy := rapid.SampledFrom(routing.Policies).Draw(t, "policy")
		without := policy.Plan(nil, in)
		held := rapid.SampledFrom(without).Draw(t, "held")
		in.Held, in.Bound = held.Health(), rapid.Bool().Draw(t, "bound")
		if in.Bound && rapid.Bool().Draw(t, "any model") {
			in.Held.Model = ""
		}
		plan := policy.Explain(in)
		if !slices.Equal(sorted(without), sorted(plan)) {
			t.Fatalf("%v became %v", sorted(without), sorted(plan))
		}
		first := plan[0]
		switch {
		case held.LeftOut && first.Held && !first.LeftOut:
			if first.Health() == held.Health() {
				t.Fatal("what is out of use leads")
			}
		case in.Bound && !held.LeftOut && !first.Held:
			t.Fatalf("%s leads, and not what the request is bound to: %s", name(first), name(held))
		case first.Held && !first.LeftOut && !in.Bound && first.Route.Priority > without[0].Route.Priority:
			t.Fatal("what has the conversation overtook a lower priority number")
		}
		total := 0.0
		for _, target := range plan {
			total += target.Chance
		}
		if len(plan) < routing.MaxTargets && !first.LeftOut && math.Abs(total-1) > 1e-9 {
			t.Fatalf("the chances add up to %v", total)
		}
	})
}

func sorted(plan []routing.Target) []string {
	names := make([]string, len(plan))
	for i, t := range plan {
		names[i] = name(t)
	}
	slices.Sort(names)
	return names
}

// How much worse may it be, and still keep its conversations?
func TestHeldTargetsLetGo(t *testing.T) {
	t.Parallel()
	cached := priced(10)
	cheap, dear := pricing.Rate{Input: priced(100), Output: priced(100)}, pricing.Rate{Input: priced(200), Output: priced(200)}
	discounted := dear
	discounted.CachedInput = cached
	stats := func(firstToken float64, fails float64) *health.Stats {
		s := &health.Stats{At: noon, Attempts: 100, FirstToken: health.Spread{Count: 100, Mean: firstToken}, Speed: health.Spread{Count: 100, Mean: 1e6}}
		s.Failed[health.ServerError] = fails
		return s
	}
	tests := []struct {
		name       string
		policy     routing.Policy
		held, best health.Standing
		heldRate   pricing.Rate
		leads      bool
	}{
		{"little slower", routing.Latency, health.Standing{Stats: stats(1.4, 0)}, health.Standing{Stats: stats(1, 0)}, cheap, true},
		{"much slower", routing.Latency, health.Standing{Stats: stats(1.6, 0)}, health.Standing{Stats: stats(1, 0)}, cheap, false},
		{"cheaper for the cache", routing.Cost, health.Standing{}, health.Standing{}, discounted, true},
		{"dearer all the same", routing.Cost, health.Standing{}, health.Standing{}, dear, false},
		{"fails a little more", routing.Reliability, health.Standing{Stats: stats(1, 4)}, health.Standing{Stats: stats(1, 0)}, cheap, true},
		{"fails much more", routing.Reliability, health.Standing{Stats: stats(1, 8)}, health.Standing{Stats: stats(1, 0)}, cheap, false},
		{"a little worse", routing.Balanced, health.Standing{Stats: stats(1.4, 0)}, health.Standing{Stats: stats(1, 0)}, cheap, true},
		{"much worse", routing.Balanced, health.Standing{Stats: stats(1.6, 0)}, health.Standing{Stats: stats(1, 0)}, cheap, false},
		{"busier", routing.LeastBusy, health.Standing{InFlight: 4}, health.Standing{}, cheap, true},
		{"much busier", routing.LeastBusy, health.Standing{InFlight: 5}, health.Standing{}, cheap, false},
		{"by turns", routing.RoundRobin, health.Standing{Began: 2}, health.Standing{Began: 1}, cheap, true},
		{"by weight", routing.Weighted, health.Standing{}, health.Standing{}, cheap, true},
		{"by priority", routing.Priority, health.Standing{}, health.Standing{}, cheap, true},
		{"out of use", routing.Weighted, health.Standing{State: health.Open, Opening: &health.Opening{Until: noon.Add(time.Second)}}, health.Standing{}, cheap, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			routes := []snapshot.Route{route("best", 9, 0, 1), route("held", 1, 0, 1)}
			routes[0].Upstream, routes[1].Upstream = &snapshot.ProviderModel{Rate: cheap}, &snapshot.ProviderModel{Rate: tt.heldRate}
			held := health.Target{Provider: routes[1].Provider.ID, Model: "m", Key: routes[1].Provider.Keys[0].ID}
			best := health.Target{Provider: routes[0].Provider.ID, Model: "m", Key: routes[0].Provider.Keys[0].ID}
			in := routing.Input{Routes: routes, Health: standings{held: tt.held, best: tt.best}, Now: noon, Prompt: 10_000, Output: 10, Held: held}
			led := 0
			for seed := range uint64(100) {
				in.Seed = seed
				plan := tt.policy.Plan(nil, in)
				if plan[0].Held {
					led++
				}
			}
			if tt.leads != (led == 100) || !tt.leads && led > 50 {
				t.Errorf("it led %d of 100 plans", led)
			}
		})
	}
}
