package routing_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// standings is what a test says of the targets. It is a routing.Health.
type standings map[health.Target]health.Standing

func (s standings) Look(t health.Target, _ time.Time) health.Standing { return s[t] }

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// drawStandings says something of each target of the routes.
func drawStandings(t *rapid.T, routes []snapshot.Route) standings {
	all := standings{}
	for _, r := range routes {
		for _, target := range routing.Weighted.Plan(nil, routing.Input{Routes: []snapshot.Route{r}}) {
			s := health.Standing{InFlight: rapid.Int64Range(0, 3).Draw(t, "in flight"), Began: rapid.Int64Range(0, 3).Draw(t, "began")}
			s.State = rapid.SampledFrom([]health.State{health.Closed, health.Closed, health.HalfOpen, health.Open}).Draw(t, "state")
			if s.State != health.Closed {
				until := noon
				if s.State == health.Open {
					until = noon.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "until")) * time.Second)
				}
				s.Opening = &health.Opening{Why: health.ServerError, Until: until, Asked: rapid.Bool().Draw(t, "asked")}
			}
			if rapid.Bool().Draw(t, "known") {
				s.Stats = &health.Stats{At: noon, Attempts: float64(rapid.IntRange(1, 50).Draw(t, "attempts")),
					FirstToken: health.Spread{Count: 1, Mean: rapid.Float64Range(0.01, 10).Draw(t, "first token")},
					Speed:      health.Spread{Count: 1, Mean: rapid.Float64Range(1, 100).Draw(t, "speed")}}
				s.Stats.Failed[health.ServerError] = rapid.Float64Range(0, s.Stats.Attempts).Draw(t, "failed")
			}
			all[target.Health()] = s
		}
	}
	return all
}

func TestPlanHasEveryTargetOnceAndKeepsPriorities(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		routes, pairs := drawRoutes(t)
		known := drawStandings(t, routes)
		policy := rapid.SampledFrom(append(routing.Policies, "")).Draw(t, "policy")
		in := routing.Input{Routes: routes, Health: known, Now: noon, Seed: rapid.Uint64().Draw(t, "seed")}
		plan := policy.Explain(in)
		if want := min(pairs, routing.MaxTargets); len(plan) != want {
			t.Fatalf("%d targets, want %d", len(plan), want)
		}
		seen := map[string]bool{}
		uses := map[*snapshot.Route]int{}
		total, inUse := 0.0, 0
		for i, target := range plan {
			name := name(target)
			if seen[name] {
				t.Fatalf("%s stands twice", name)
			}
			seen[name] = true
			total += target.Chance
			if open := known[target.Health()].State == health.Open; open != target.LeftOut {
				t.Fatalf("%s: open is %v, left out is %v", name, open, target.LeftOut)
			}
			if len(target.Reasons()) == 0 {
				t.Fatalf("%s stands there for no reason", name)
			}
			if target.LeftOut {
				if before := plan[max(i-1, 0)]; target.Chance != 0 || before.LeftOut && before.Standing.Opening.Asked && !target.Standing.Opening.Asked {
					t.Fatalf("%s: chance %v, behind what a vendor asked to leave alone: %v", name, target.Chance, before.LeftOut)
				}
				continue
			}
			if inUse++; inUse != i+1 {
				t.Fatalf("%s is in use and stands behind one that is not", name)
			}
			if i > 0 && uses[target.Route] == uses[plan[i-1].Route]-1 && plan[i-1].Route.Priority > target.Route.Priority {
				t.Fatalf("priority %d came before %d in one round", plan[i-1].Route.Priority, target.Route.Priority)
			}
			uses[target.Route]++
		}
		if pairs <= routing.MaxTargets && inUse > 0 && math.Abs(total-1) > 1e-9 {
			t.Fatalf("the chances add up to %v", total)
		}
		again := policy.Plan(nil, in)
		if !slices.EqualFunc(plan, again, func(a, b routing.Target) bool { return name(a) == name(b) }) {
			t.Fatal("the same seed gave another plan")
		}
	})
}

// What Explain says of the chances is how often each target does come first.
func TestChancesAreFrequencies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		routes, _ := drawRoutes(t)
		in := routing.Input{Routes: routes, Health: drawStandings(t, routes), Now: noon}
		policy := rapid.SampledFrom(routing.Policies).Draw(t, "policy")
		first := map[string]float64{}
		const rounds = 3000
		for seed := range uint64(rounds) {
			in.Seed = seed
			first[name(policy.Plan(nil, in)[0])] += 1.0 / rounds
		}
		for _, target := range policy.Explain(in) {
			if got := first[name(target)]; !target.LeftOut && math.Abs(got-target.Chance) > 0.06 {
				t.Fatalf("%s: %s came first in %.3f of the plans, its chance is %.3f", policy, name(target), got, target.Chance)
			}
		}
	})
}

func TestWeightsAreShares(t *testing.T) {
	t.Parallel()
	routes := []snapshot.Route{route("a", 1, 0, 1), route("b", 3, 0, 1, 4), route("idle", 0, 0, 1), route("later", 100, 1, 1)}
	first := map[string]int{}
	const rounds = 20_000
	for seed := range uint64(rounds) {
		plan := routing.Weighted.Plan(nil, routing.Input{Routes: routes, Seed: seed})
		first[name(plan[0])]++
		if last := plan[3].Route.Provider.Slug; last != "later" {
			t.Fatalf("the fourth is %s", last)
		}
	}
	want := map[string]float64{"a/0": 0.25, "b/0": 0.15, "b/1": 0.6}
	for _, target := range routing.Weighted.Explain(routing.Input{Routes: routes}) {
		got := float64(first[name(target)]) / rounds
		if math.Abs(got-want[name(target)]) > 0.02 || math.Abs(target.Chance-want[name(target)]) > 1e-9 {
			t.Errorf("%s came first in %.3f of the plans, its chance is %.3f, want %.3f", name(target), got, target.Chance, want[name(target)])
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
		for _, target := range routing.Priority.Plan(nil, routing.Input{Routes: routes, Seed: seed}) {
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
		plan := routing.Weighted.Plan(nil, routing.Input{Routes: routes, Seed: seed})
		var got []string
		for _, target := range plan[2:] {
			got = append(got, target.Route.Provider.Slug)
		}
		if want := []string{"c", "a", "c", "a"}; !slices.Equal(got, want) {
			t.Fatalf("seed %d: after the first two: %v", seed, got)
		}
	}
}

// A provider whose keys are all dead stands in the plan, and is not asked without one.
func TestProviderWithoutAUsableKeyIsUnfit(t *testing.T) {
	t.Parallel()
	dead, open := route("dead", 1, 0), route("open", 1, 1)
	dead.Provider.NeedsKey = true
	for _, policy := range routing.Policies {
		plan := policy.Explain(routing.Input{Routes: []snapshot.Route{dead, open}})
		if got := described(plan); got != "open !(dead: no_key)" || plan[0].Chance != 1 {
			t.Fatalf("%s: %s", policy, got)
		}
		if reasons := plan[1].Reasons(); !slices.Equal(reasons, []string{"none of its provider's keys can be used"}) || plan[1].Chance != 0 {
			t.Errorf("%s: %q", policy, reasons)
		}
		if plan = policy.Plan(nil, routing.Input{Routes: []snapshot.Route{dead}}); len(routing.Fit(plan)) != 0 || len(plan) != 1 {
			t.Errorf("%s: %s", policy, described(plan))
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
	for _, target := range routing.Weighted.Explain(routing.Input{Routes: routes, Seed: 7}) {
		if got := target.Reasons(); !slices.Equal(got, want[name(target)]) {
			t.Errorf("%s: %q", name(target), got)
		}
	}
}

func TestNothingToChooseCostsNothing(t *testing.T) {
	routes := []snapshot.Route{route("a", 1, 0, 1)}
	dst := make([]routing.Target, 0, 4)
	if n := testing.AllocsPerRun(100, func() { dst = routing.Weighted.Plan(dst[:0], routing.Input{Routes: routes, Seed: 1}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if dst[0].Key != &routes[0].Provider.Keys[0] {
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

func priced(p int64) *money.Price {
	price := money.Price(p)
	return &price
}

// rooms says how much room keys have, by their weight.
type rooms map[int]float64

func (r rooms) Room(key *snapshot.ProviderKey, _ string) float64 { return r[key.Weight] }

// Keys are drawn by weight times room, and one without room comes behind all others.
func TestKeysAreDrawnByRoom(t *testing.T) {
	t.Parallel()
	in := routing.Input{Routes: []snapshot.Route{route("a", 1, 0, 1, 2, 3)}, Room: rooms{1: 1, 2: 0.25, 3: 0}}
	first := map[int]int{}
	const n = 6000
	for seed := range uint64(n) {
		in.Seed = seed
		plan := routing.Weighted.Plan(nil, in)
		if len(plan) != 3 || plan[2].Key.Weight != 3 {
			t.Fatalf("the key without room is not the last of %d", len(plan))
		}
		first[plan[0].Key.Weight]++
	}
	if share := float64(first[1]) / n; share < 0.63 || share > 0.70 { // 1 of 1 + 0.5
		t.Errorf("the key with all its room is first in %.1f %%, want two thirds", 100*share)
	}
	chance := map[int]float64{}
	for _, target := range routing.Weighted.Explain(in) {
		chance[target.Key.Weight] = target.Chance
		reasons := strings.Join(target.Reasons(), "; ")
		if want := map[int]string{1: "key weight 1 of 1.5", 2: "key weight 2 times 25 % room, of 1.5", 3: "the key has no room"}[target.Key.Weight]; !strings.Contains(reasons, want) {
			t.Errorf("reasons are %s, want %s", reasons, want)
		}
	}
	if chance[1] < 0.66 || chance[1] > 0.67 || chance[3] != 0 {
		t.Errorf("chances are %v", chance)
	}
	for _, policy := range []routing.Policy{routing.LeastBusy, routing.RoundRobin, routing.Latency} {
		if plan := policy.Plan(nil, in); plan[0].Key.Weight == 3 {
			t.Errorf("%s: the key without room is first", policy)
		}
	}
}
