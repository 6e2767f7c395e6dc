// Package routing puts the ways to serve a request into the order in which they are tried, and explains that order. It
// is pure: the same routes, standings, policy and seed give the same plan.
package routing

import (
	"slices"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
)

// MaxTargets bounds a plan. It is far above the attempts that one request may make, so that a plan can still route
// around keys and providers that are ruled out on the way.
const MaxTargets = 32

// A Policy says how the routes of a model are ordered, after their priorities: a lower number is tried first. The zero
// Policy is Weighted.
type Policy string

// The policies.
const (
	Weighted    Policy = "weighted"    // by chance, in proportion to weight
	Priority    Policy = "priority"    // by falling weight, always the same
	Latency     Policy = "latency"     // the soonest to have answered
	Cost        Policy = "cost"        // the cheapest for this request
	Reliability Policy = "reliability" // who fails least
	Balanced    Policy = "balanced"    // all three together
	LeastBusy   Policy = "least_busy"  // who has least to do, for its weight
	RoundRobin  Policy = "round_robin" // who has waited longest
)

// Policies is every policy.
var Policies = []Policy{Latency, Cost, Reliability, Balanced, Weighted, Priority, LeastBusy, RoundRobin}

// A Health knows how targets stand: a *health.Board.
type Health interface {
	Look(t health.Target, now time.Time) health.Standing
}

// A Room knows how much of what a key may do is left, from 0 to 1: a *keypool.Pool.
type Room interface {
	Room(key *snapshot.ProviderKey, model string) float64
}

// An Input is what a plan is made of.
type Input struct {
	Routes []snapshot.Route
	Health Health    // nil: nothing is known of anybody
	Room   Room      // nil: all keys have room
	Now    time.Time // by the clock of Health
	Seed   uint64

	// Held is where the vendor has the beginning of this conversation in its cache; its Model may be empty, and zero is
	// nowhere. It comes first while it is in use and not much worse than the others, or with Bound, however much worse.
	Held  health.Target
	Bound bool

	// What the request takes, in tokens: it decides what is cheap and what is fast.
	Prompt int64
	Output int64 // at most; 0 is not said

	Balance snapshot.Balance // of Balanced: how much each figure counts; zero is UsualBalance
	// What a route must have. Dialect is the caller's, for what that alone has. Context is what the prompt surely takes of a
	// model's context, in tokens; 0 is unknown.
	Needs   llm.Needs
	Dialect string
	Context int64
}

// A Target is one thing that can be tried: a provider's model with one of its keys. A plan never has a target twice.
type Target struct {
	Route    *snapshot.Route
	Key      *snapshot.ProviderKey // nil where the provider needs none
	Standing health.Standing
	Room     float64   // of the key: the share of what it may do that is left; 1 where it is the only one
	LeftOut  bool      // to be tried only when nothing else is left, and what is Unfit not even then
	Keyless  bool      // none of its provider's keys can be used
	Held     bool      // it has the beginning of this conversation in its cache
	Lacks    llm.Needs // of what the request needs, as far as is known; it may be tried all the same where others lack as much
	Terms    Terms     // of a policy that compares them
	Chance   float64   // of being tried first, from 0 to 1; Explain alone works it out

	policy    Policy
	now       time.Time
	peers     float64 // weight of all routes in use of the same priority
	keyPeers  float64 // weight times room of all keys in use of the provider
	round     int     // how many keys of its route come before it
	draw      float64 // among the keys of its route
	waits     bool    // for routes of a lower priority number
	trial     bool    // goes first, to try a half-open circuit
	exploring bool    // went first to be learned about
	kept      bool    // went first since it has the conversation

	context, output int32 // tokens that the request takes, where that is too much
}

// Health is the target as the board knows it.
func (t *Target) Health() health.Target {
	h := health.Target{Provider: t.Route.Provider.ID, Model: t.Route.UpstreamID}
	if t.Key != nil {
		h.Key = t.Key.ID
	}
	return h
}

// Plan appends the targets for routes to dst, in the order in which they are to be tried: first every route with one of
// its keys, then every route with its next key, and so on, so that a failing provider is left before another of its
// keys is tried. Behind them come those that are left out: what lacks more than others of what the request needs, then
// what is out of use, the least bad first, and last what is Unfit. A weight of 0 takes no traffic while another route or
// key is left. At most MaxTargets are appended.
func (p Policy) Plan(dst []Target, in Input) []Target {
	return p.plan(dst, &in, false)
}

// Explain is Plan with the chances worked out.
func (p Policy) Explain(in Input) []Target {
	return p.plan(nil, &in, true)
}

func (p Policy) plan(dst []Target, in *Input, explain bool) []Target {
	var room [MaxTargets]Target // most plans need no memory but dst
	targets := p.targets(room[:0], in)
	leaveOut(targets, in)
	if p.Compares() {
		p.estimate(targets, in)
		p.score(targets, in.Balance)
	}
	d := dice{}
	d.Seed(in.Seed, 0)
	orderKeys(p, targets, in.Bound, &d)
	var routes [MaxTargets]choice
	choices := choose(routes[:0], targets)
	p.order(choices, &d)
	if in.Bound {
		bind(choices)
	}
	if explain {
		p.chances(choices, targets)
	}
	return assemble(dst, choices, targets)
}

// Compares reports whether the policy goes by what is known of the targets.
func (p Policy) Compares() bool {
	return p == Latency || p == Cost || p == Reliability || p == Balanced || p == LeastBusy
}

// learns reports whether the policy goes by figures that only traffic brings, so that some must go to who has had none.
func (p Policy) learns() bool { return p == Latency || p == Reliability || p == Balanced }

// targets is every route with every key.
func (p Policy) targets(all []Target, in *Input) []Target {
	add := func(route *snapshot.Route, key *snapshot.ProviderKey) {
		all = append(all, Target{Route: route, Key: key, Room: 1, policy: p, now: in.Now})
		t := &all[len(all)-1]
		if in.Room != nil && len(route.Provider.Keys) > 1 {
			t.Room = in.Room.Room(key, route.UpstreamID)
		}
		if in.Health != nil {
			t.Standing = in.Health.Look(t.Health(), in.Now)
			t.LeftOut = t.Standing.State == health.Open
		}
		t.Held = in.holds(t)
	}
	for i := range in.Routes {
		route := &in.Routes[i]
		keys, from := route.Provider.Keys, len(all)
		for j := range keys {
			add(route, &keys[j])
		}
		if len(keys) == 0 {
			add(route, nil)
			all[from].Keyless = route.Provider.NeedsKey
		}
		if p.Compares() {
			coolDown(all[from:])
		}
	}
	return all
}

// holds reports whether a target is the one that has the conversation.
func (in *Input) holds(t *Target) bool {
	if in.Held.Provider.IsZero() || in.Held.Provider != t.Route.Provider.ID || in.Held.Model != "" && in.Held.Model != t.Route.UpstreamID {
		return false
	}
	return t.Key == nil || t.Key.ID == in.Held.Key
}

// Draws of keys that come before all that is drawn by chance.
const (
	heldDraw  = -2
	trialDraw = -1
)

// orderKeys says of each target which round of its route it takes: those in use first, among them one that is half open,
// then by chance in proportion to weight times room, or as the policy has it. One without room comes behind them.
func orderKeys(p Policy, targets []Target, bound bool, d *dice) {
	for from := 0; from < len(targets); {
		to, weights := from, 0.0
		for ; to < len(targets) && targets[to].Route == targets[from].Route; to++ {
			t := &targets[to]
			if t.Key == nil || t.LeftOut {
				continue
			}
			weights += t.keyChance()
			switch {
			case t.Room <= 0:
				t.draw = inf
			case p == LeastBusy && t.Key.Weight > 0:
				t.draw = float64(t.Standing.InFlight) / float64(t.Key.Weight)
			case p == RoundRobin && t.Key.Weight > 0:
				t.draw = float64(t.Standing.Began)
			default:
				t.draw = d.wait(t.keyChance())
			}
			if t.Standing.State == health.HalfOpen && t.Key.Weight > 0 {
				t.draw = trialDraw
			}
			if t.Held && (t.Key.Weight > 0 || bound) {
				t.draw = heldDraw
			}
		}
		for i := from; i < to; i++ {
			t := &targets[i]
			t.keyPeers = weights
			for j := from; j < to; j++ {
				other := &targets[j]
				if i != j && !other.LeftOut && (other.draw < t.draw || other.draw == t.draw && j < i) {
					t.round++
				}
			}
		}
		from = to
	}
}

// assemble puts the targets into their order.
func assemble(dst []Target, choices []choice, targets []Target) []Target {
	dst = slices.Grow(dst, min(len(targets), MaxTargets))
	start := len(dst)
	for round := 0; len(dst)-start < MaxTargets; round++ {
		found := false
		for i := range choices {
			c := &choices[i]
			for j := c.from; j < c.to && len(dst)-start < MaxTargets; j++ {
				if t := &targets[j]; !t.LeftOut && t.round == round {
					c.tell(t, round)
					dst = append(dst, *t)
					found = true
				}
			}
		}
		if !found {
			break
		}
	}
	for len(dst)-start < MaxTargets {
		least := -1
		for i := range targets {
			if targets[i].LeftOut && (least < 0 || targets[i].lessBad(&targets[least])) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		dst = append(dst, targets[least])
		targets[least].LeftOut = false // it is in the plan
	}
	return dst
}

// lessBad orders what is left out, by rank. Of what is out of use, what the vendor asked to leave alone comes last, else
// what is to be tried again soonest comes first.
func (t *Target) lessBad(other *Target) bool {
	a, b := t.Standing.Opening, other.Standing.Opening
	switch rank := t.rank(); {
	case rank != other.rank():
		return rank < other.rank()
	case rank != 1 && t.Route.Priority != other.Route.Priority:
		return t.Route.Priority < other.Route.Priority
	case rank != 1:
		return t.Route.Weight > other.Route.Weight
	case a.Asked != b.Asked:
		return b.Asked
	case !a.Until.Equal(b.Until):
		return a.Until.Before(b.Until)
	}
	return t.Route.Priority < other.Route.Priority
}

// keyShare is the chance of a target to be the first of its route.
func (t *Target) keyShare(peers []Target) float64 {
	trials, held, inUse := 0, 0, 0
	for i := range peers {
		if peers[i].LeftOut {
			continue
		}
		inUse++
		switch peers[i].draw {
		case trialDraw:
			trials++
		case heldDraw:
			held++
		}
	}
	byWeight := t.policy != LeastBusy && t.policy != RoundRobin
	switch {
	case t.LeftOut:
		return 0
	case inUse == 1:
		return 1
	case trials+held == 0 && byWeight && t.keyPeers > 0:
		return t.keyChance() / t.keyPeers
	case t.round == 0: // the order is set
		return 1
	}
	return 0
}
