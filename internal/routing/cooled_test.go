package routing_test

import (
	"slices"
	"testing"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// Of routes that do equally well the one comes first whose keys are all in use, for who goes by what fails.
func TestRoutesWithKeysOutOfUseAreWorthLess(t *testing.T) {
	t.Parallel()
	whole, cooled, dead := route("whole", 1, 0, 1, 1), route("cooled", 1, 0, 1, 1), route("dead", 1, 0, 1)
	dead.Provider.Dead = []id.ProviderKey{id.New[id.ProviderKey]()}
	known := standings{}
	routes := []snapshot.Route{cooled, dead, whole}
	for _, r := range routes {
		for i := range r.Provider.Keys {
			known[health.Target{Provider: r.Provider.ID, Model: "m", Key: r.Provider.Keys[i].ID}] = health.Standing{
				Began: noon.UnixNano(), Stats: &health.Stats{At: noon, Attempts: 100, FirstToken: health.Spread{Count: 100, Mean: 1}},
			}
		}
	}
	out := health.Target{Provider: cooled.Provider.ID, Model: "m", Key: cooled.Provider.Keys[0].ID}
	known[out] = health.Standing{State: health.Open, Opening: &health.Opening{Why: health.RateLimited, Until: noon}}
	for _, tt := range []struct {
		policy routing.Policy
		alone  bool // the whole one comes first, always
	}{{routing.Reliability, true}, {routing.Balanced, true}, {routing.Latency, false}} {
		first := map[string]int{}
		for seed := range uint64(50) {
			plan := tt.policy.Plan(nil, routing.Input{Routes: routes, Health: known, Now: noon, Seed: seed})
			first[plan[0].Route.Provider.Slug]++
			for i := range plan {
				want, says := 0.5, tt.alone
				if plan[i].Route.Provider.Slug == "whole" {
					want, says = 0, false
				}
				if got := plan[i].Terms.CooledDown; got != want {
					t.Fatalf("%s: %v of the keys of %s are out of use, want %v", tt.policy, got, name(plan[i]), want)
				}
				if said := slices.Contains(plan[i].Reasons(), "50 % of its keys are out of use"); said != (says && !plan[i].LeftOut) {
					t.Fatalf("%s: %s says %q", tt.policy, name(plan[i]), plan[i].Reasons())
				}
			}
		}
		if (len(first) == 1 && first["whole"] > 0) != tt.alone {
			t.Errorf("%s: %v", tt.policy, first)
		}
	}
}

// A conversation stays with its key, whatever befell the other keys of its provider.
func TestConversationsStayWithTheirKeyWhenOthersAreOutOfUse(t *testing.T) {
	t.Parallel()
	other, mine := route("other", 1, 0, 1), route("mine", 1, 0, 1)
	for range 9 {
		mine.Provider.Dead = append(mine.Provider.Dead, id.New[id.ProviderKey]())
	}
	for _, policy := range []routing.Policy{routing.Reliability, routing.Balanced} {
		in := routing.Input{Routes: []snapshot.Route{other, mine}, Now: noon, Held: health.Target{Provider: mine.Provider.ID, Key: mine.Provider.Keys[0].ID}}
		for in.Seed = range uint64(50) {
			if got := policy.Plan(nil, in)[0].Route.Provider.Slug; got != "mine" {
				t.Fatalf("%s: it goes to %s", policy, got)
			}
		}
	}
}
