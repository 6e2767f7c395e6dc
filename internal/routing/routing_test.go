package routing_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

func TestPlanHasEveryTargetOnceAndKeepsPriorities(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		routes, pairs := drawRoutes(t)
		policy := rapid.SampledFrom([]routing.Policy{"", routing.Weighted, routing.Priority}).Draw(t, "policy")
		seed := rapid.Uint64().Draw(t, "seed")
		plan := policy.Plan(nil, routes, seed)
		if want := min(pairs, routing.MaxTargets); len(plan) != want {
			t.Fatalf("%d targets, want %d", len(plan), want)
		}
		seen := map[string]bool{}
		uses := map[*snapshot.Route]int{}
		total := 0.0
		for i, target := range plan {
			name := name(target)
			if seen[name] {
				t.Fatalf("%s stands twice", name)
			}
			seen[name] = true
			total += target.Score
			if i > 0 && uses[target.Route] == uses[plan[i-1].Route]-1 && plan[i-1].Route.Priority > target.Route.Priority {
				t.Fatalf("priority %d came before %d in one round", plan[i-1].Route.Priority, target.Route.Priority)
			}
			uses[target.Route]++
		}
		if pairs <= routing.MaxTargets && math.Abs(total-1) > 1e-9 {
			t.Fatalf("the scores add up to %v", total)
		}
		again := policy.Plan(nil, routes, seed)
		if !slices.EqualFunc(plan, again, func(a, b routing.Target) bool { return name(a) == name(b) }) {
			t.Fatal("the same seed gave another plan")
		}
	})
}

func TestWeightsAreShares(t *testing.T) {
	t.Parallel()
	routes := []snapshot.Route{route("a", 1, 0, 1), route("b", 3, 0, 1, 4), route("idle", 0, 0, 1), route("later", 100, 1, 1)}
	first := map[string]int{}
	const rounds = 20_000
	for seed := range uint64(rounds) {
		plan := routing.Weighted.Plan(nil, routes, seed)
		first[name(plan[0])]++
		if last := plan[3].Route.Provider.Slug; last != "later" {
			t.Fatalf("the fourth is %s", last)
		}
	}
	for _, target := range routing.Weighted.Plan(nil, routes, 1) {
		got := float64(first[name(target)]) / rounds
		if math.Abs(got-target.Score) > 0.02 {
			t.Errorf("%s came first in %.3f of the plans, its score is %.3f", name(target), got, target.Score)
		}
	}
	if first["idle/0"] != 0 || first["later/0"] != 0 {
		t.Errorf("a route that has to wait came first: %v", first)
	}
}

func TestPriorityIsAlwaysTheSameOrder(t *testing.T) {
	t.Parallel()
	routes := []snapshot.Route{route("low", 1, 5), route("light", 1, 0), route("heavy", 9, 0), route("first", 1, -1)}
	for seed := range uint64(50) {
		var got []string
		for _, target := range routing.Priority.Plan(nil, routes, seed) {
			got = append(got, target.Route.Provider.Slug)
		}
		if want := []string{"first", "heavy", "light", "low"}; !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v", seed, got)
		}
	}
}

// A failing provider is left before another of its keys is tried.
func TestEveryRouteComesBeforeSecondKeys(t *testing.T) {
	t.Parallel()
	routes := []snapshot.Route{route("a", 1, 0, 1, 1, 1), route("b", 1, 0), route("c", 1, 1, 1, 1)}
	for seed := range uint64(50) {
		plan := routing.Weighted.Plan(nil, routes, seed)
		var got []string
		for _, target := range plan[2:] {
			got = append(got, target.Route.Provider.Slug)
		}
		if want := []string{"c", "a", "c", "a"}; !slices.Equal(got, want) {
			t.Fatalf("seed %d: after the first two: %v", seed, got)
		}
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	priced := route("a", 1, 0, 2, 3)
	price := money.Price(1)
	priced.Upstream = &snapshot.ProviderModel{Rate: pricing.Rate{Input: &price, Output: &price}}
	routes := []snapshot.Route{priced, route("idle", 0, 0, 1), route("later", 1, 1)}
	want := map[string][]string{
		"a/0":     {"priority 0", "weight 1 of 1", "key weight 2 of 5"},
		"a/1":     {"priority 0", "weight 1 of 1", "key weight 3 of 5"},
		"idle/0":  {"priority 0", "weight 0: only when the others fail", "unpriced"},
		"later/-": {"priority 1", "waits for routes of a lower priority number", "weight 1 of 1", "the provider has no key", "unpriced"},
	}
	for _, target := range routing.Weighted.Plan(nil, routes, 7) {
		if got := target.Reasons(); !slices.Equal(got, want[name(target)]) {
			t.Errorf("%s: %q", name(target), got)
		}
	}
}

func TestNothingToChooseCostsNothing(t *testing.T) {
	routes := []snapshot.Route{route("a", 1, 0, 1)}
	dst := make([]routing.Target, 0, 4)
	if n := testing.AllocsPerRun(100, func() { dst = routing.Weighted.Plan(dst[:0], routes, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if dst[0].Score != 1 || dst[0].Key != &routes[0].Provider.Keys[0] {
		t.Errorf("%+v", dst[0])
	}
}

func drawRoutes(t *rapid.T) (routes []snapshot.Route, pairs int) {
	for i := range rapid.IntRange(1, 8).Draw(t, "routes") {
		keys := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 6).Draw(t, "keys")
		routes = append(routes, route(fmt.Sprint(i), rapid.IntRange(0, 5).Draw(t, "weight"), rapid.IntRange(0, 2).Draw(t, "priority"), keys...))
		pairs += max(1, len(keys))
	}
	return routes, pairs
}

func route(slug string, weight, priority int, keys ...int) snapshot.Route {
	p := &snapshot.Provider{ID: id.New[id.Provider](), Slug: slug}
	for _, w := range keys {
		p.Keys = append(p.Keys, snapshot.ProviderKey{ID: id.New[id.ProviderKey](), Weight: w})
	}
	return snapshot.Route{Provider: p, UpstreamID: "m", Weight: weight, Priority: priority}
}

// name tells targets apart: the provider's slug and the number of its key.
func name(t routing.Target) string {
	for i := range t.Route.Provider.Keys {
		if t.Key == &t.Route.Provider.Keys[i] {
			return fmt.Sprintf("%s/%d", t.Route.Provider.Slug, i)
		}
	}
	return t.Route.Provider.Slug + "/-"
}
