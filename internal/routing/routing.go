// Package routing puts the ways to serve a request into the order in which they are tried, and explains that order. It
// is pure: the same routes, policy and seed give the same plan.
package routing

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"aihigress/internal/snapshot"
)

// MaxTargets bounds a plan. It is far above the attempts that one request may make, so that a plan can still route
// around keys and providers that are ruled out on the way.
const MaxTargets = 32

// A Policy says how the routes of a model are ordered. The zero Policy is Weighted.
type Policy string

// The policies. Both try a lower priority number first.
const (
	Weighted Policy = "weighted" // routes of one priority share the traffic by weight
	Priority Policy = "priority" // routes of one priority are tried in the order of falling weight, always the same
)

// A Target is one thing that can be tried: a provider's model with one of its keys. A plan never has a target twice.
type Target struct {
	Route *snapshot.Route
	Key   *snapshot.ProviderKey // nil where the provider needs none
	Score float64               // the chance of being tried first, from 0 to 1

	policy    Policy
	weights   int // of all routes of the same priority
	keyWeight int // of all keys of the provider
	first     bool
}

// Plan appends the targets for routes to dst, in the order in which they are to be tried: first every route with one of
// its keys, then every route with its next key, and so on, so that a failing provider is left before another of its
// keys is tried. A weight of 0 takes no traffic while another route or key is left. At most MaxTargets are appended.
func (p Policy) Plan(dst []Target, routes []snapshot.Route, seed uint64) []Target {
	if len(routes) == 1 && len(routes[0].Provider.Keys) <= 1 {
		return append(dst, only(p, &routes[0]))
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	ordered := p.order(routes, rng)
	keys := make([][]int, len(ordered))
	rounds := 1
	for i, at := range ordered {
		keys[i] = orderKeys(routes[at].Provider.Keys, rng)
		rounds = max(rounds, len(keys[i]))
	}
	start := len(dst)
	for round := range rounds {
		for i, at := range ordered {
			if round > 0 && round >= len(keys[i]) {
				continue
			}
			if len(dst)-start == MaxTargets {
				return dst
			}
			t := target(p, routes, at)
			if len(keys[i]) > 0 {
				t.useKey(&t.Route.Provider.Keys[keys[i][round]])
			}
			dst = append(dst, t)
		}
	}
	return dst
}

// only is the plan where there is nothing to choose, without the cost of choosing.
func only(p Policy, route *snapshot.Route) Target {
	t := Target{Route: route, Score: 1, policy: p, weights: route.Weight, first: true}
	if len(route.Provider.Keys) == 1 {
		t.Key = &route.Provider.Keys[0]
		t.keyWeight = t.Key.Weight
	}
	return t
}

// order is the indexes of routes as they are tried. A weighted draw without replacement is a sort by exponential
// variates divided by the weights (Efraimidis and Spirakis, 2006).
func (p Policy) order(routes []snapshot.Route, rng *rand.Rand) []int {
	draws := make([]float64, len(routes))
	ordered := make([]int, len(routes))
	for i := range routes {
		ordered[i] = i
		if p == Priority {
			draws[i] = -float64(routes[i].Weight)
		} else {
			draws[i] = draw(routes[i].Weight, rng)
		}
	}
	slices.SortStableFunc(ordered, func(a, b int) int {
		return cmp.Or(cmp.Compare(routes[a].Priority, routes[b].Priority), cmp.Compare(draws[a], draws[b]))
	})
	return ordered
}

func orderKeys(keys []snapshot.ProviderKey, rng *rand.Rand) []int {
	draws := make([]float64, len(keys))
	ordered := make([]int, len(keys))
	for i := range keys {
		ordered[i], draws[i] = i, draw(keys[i].Weight, rng)
	}
	slices.SortStableFunc(ordered, func(a, b int) int { return cmp.Compare(draws[a], draws[b]) })
	return ordered
}

func draw(weight int, rng *rand.Rand) float64 {
	if weight <= 0 {
		return math.Inf(1)
	}
	return rng.ExpFloat64() / float64(weight)
}

// target is routes[at] with its chance of coming first among the routes.
func target(p Policy, routes []snapshot.Route, at int) Target {
	t := Target{Route: &routes[at], policy: p, first: true}
	peers, ahead := 0, 0
	for i := range routes {
		r := &routes[i]
		switch {
		case r.Priority < t.Route.Priority:
			t.first = false
		case r.Priority == t.Route.Priority:
			t.weights += max(r.Weight, 0)
			peers++
			if r.Weight > t.Route.Weight || r.Weight == t.Route.Weight && i < at {
				ahead++
			}
		}
	}
	switch {
	case !t.first:
	case p == Priority:
		if ahead == 0 {
			t.Score = 1
		}
	case t.weights == 0: // nobody has a weight: the stable sort lets the first one win
		if ahead == 0 {
			t.Score = 1
		}
	default:
		t.Score = float64(max(t.Route.Weight, 0)) / float64(t.weights)
	}
	return t
}

// useKey names the key, and multiplies the score by its chance of coming first among the provider's keys.
func (t *Target) useKey(key *snapshot.ProviderKey) {
	t.Key = key
	keys := t.Route.Provider.Keys
	for i := range keys {
		t.keyWeight += max(keys[i].Weight, 0)
	}
	switch {
	case t.keyWeight > 0:
		t.Score *= float64(max(key.Weight, 0)) / float64(t.keyWeight)
	case key != &keys[0]:
		t.Score = 0
	}
}

// Reasons says for people why the target stands where it stands. It is made only when asked for.
func (t *Target) Reasons() []string {
	r := t.Route
	reasons := []string{fmt.Sprintf("priority %d", r.Priority)}
	if !t.first {
		reasons = append(reasons, "waits for routes of a lower priority number")
	}
	switch {
	case t.policy == Priority:
		reasons = append(reasons, fmt.Sprintf("weight %d orders it within its priority", r.Weight))
	case r.Weight <= 0 && t.weights > 0:
		reasons = append(reasons, "weight 0: only when the others fail")
	default:
		reasons = append(reasons, fmt.Sprintf("weight %d of %d", r.Weight, t.weights))
	}
	switch {
	case t.Key == nil:
		reasons = append(reasons, "the provider has no key")
	case len(r.Provider.Keys) > 1:
		reasons = append(reasons, fmt.Sprintf("key weight %d of %d", t.Key.Weight, t.keyWeight))
	}
	if r.Upstream == nil || r.Upstream.Rate.Input == nil && r.Upstream.Rate.Output == nil {
		reasons = append(reasons, "unpriced")
	}
	return reasons
}
