package routing

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"aihigress/internal/health"
)

const (
	// explores is the share of requests that go first to a target little is known of, where there is one.
	explores = 0.05
	// stale is how long a target may have had no attempt before it counts as little known: what is shunned must be looked at
	// again, or nobody would notice that it is well.
	stale = time.Second
	// coldBelow is how many attempts, weighted by their age, the figures of a target must stand for to be gone by.
	coldBelow = 5
)

// A choice is a route with at least one target in use.
type choice struct {
	from, to int // its targets
	first    int // the one that is tried first
	priority int
	weight   float64
	score    float64 // lower is better: the mean of its targets in use, by the weight of their keys
	load     float64 // attempts in flight, by weight
	cold     bool    // little is known of it
	trial    bool
	held     bool    // its first target has the conversation in its cache
	heldAt   float64 // the score of that target
	kept     bool    // it goes first for that
	explored bool
	place    float64 // among routes of its priority
	peers    float64 // weight of all routes in use of its priority
	waits    bool
}

// choose makes the choices.
func choose(choices []choice, targets []Target) []choice {
	lowest := math.MaxInt
	for from := 0; from < len(targets); {
		c := choice{from: from, first: -1}
		known, weights, weighted, plain, n, began, busy := 0.0, 0.0, 0.0, 0.0, 0.0, int64(0), int64(0)
		for c.to = from; c.to < len(targets) && targets[c.to].Route == targets[from].Route; c.to++ {
			t := &targets[c.to]
			if t.LeftOut {
				continue
			}
			if t.round == 0 {
				c.first = c.to
			}
			known += t.Terms.Known
			weight := t.keyWeight()
			weights += weight
			weighted += weight * t.Terms.Score
			plain += t.Terms.Score
			began = max(began, t.Standing.Began)
			busy += t.Standing.InFlight
			n++
		}
		if from = c.to; c.first < 0 {
			continue
		}
		t := &targets[c.first]
		c.priority, c.weight = t.Route.Priority, float64(max(t.Route.Weight, 0))
		c.cold = known < coldBelow || t.now.UnixNano()-began > int64(stale)
		c.load = float64(busy) / max(c.weight, 1)
		c.trial = t.Standing.State == health.HalfOpen && c.weight > 0
		c.held, c.heldAt = t.Held, t.Terms.Score
		switch {
		case t.policy == RoundRobin:
			c.score = float64(began)
		case weights > 0:
			c.score = weighted / weights
		default:
			c.score = plain / n
		}
		lowest = min(lowest, c.priority)
		choices = append(choices, c)
	}
	for i := range choices {
		c := &choices[i]
		c.waits = c.priority > lowest
		for j := range choices {
			if choices[j].priority == c.priority {
				c.peers += choices[j].weight
			}
		}
	}
	return choices
}

func (t *Target) keyWeight() float64 {
	if t.Key == nil {
		return 1
	}
	return float64(max(t.Key.Weight, 0))
}

// keyChance is what a key's chance among those of its provider is in proportion to.
func (t *Target) keyChance() float64 { return t.keyWeight() * max(t.Room, 0) }

// order sorts the choices into the order in which they are tried.
func (p Policy) order(choices []choice, d *dice) {
	for i := range choices {
		c := &choices[i]
		switch {
		case p == Priority:
			c.place = -c.weight
			continue // a trial waits for its turn as it always does
		case c.weight == 0 && c.peers > 0:
			c.place = inf
		case p == RoundRobin || p.Compares():
			c.place = c.score
		default:
			c.place = d.wait(c.weight)
		}
		if c.trial {
			c.place = -inf
		}
	}
	byPlace := func(a, b choice) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.place, b.place), cmp.Compare(a.from, b.from))
	}
	slices.SortFunc(choices, byPlace)
	for from := 0; from < len(choices); {
		to := from
		for to < len(choices) && choices[to].priority == choices[from].priority {
			to++
		}
		peers := choices[from:to]
		if held := p.keeps(peers); held >= 0 {
			peers[held].kept = true
			advance(peers, held)
		} else if p.Compares() {
			advance(peers, p.lead(peers, d))
		}
		from = to
	}
}

// advance moves one of the choices before all others.
func advance(choices []choice, at int) {
	lead := choices[at]
	copy(choices[1:at+1], choices[:at])
	choices[0] = lead
}

// keeps is the choice among those of one priority that has the conversation and is to go first for it: not where it would
// be much worse, by what the policy goes by. It is -1 where there is none.
func (p Policy) keeps(peers []choice) int {
	at := slices.IndexFunc(peers, func(c choice) bool { return c.held })
	if at < 0 || peers[at].weight == 0 && peers[at].peers > 0 || peers[0].trial && at > 0 {
		return -1
	}
	limit, best := inf, peers[0].score
	switch p {
	case Latency: // a cached prompt is read in a fraction of the time
		limit = 1.5 * best
	case Cost: // its price is that of a cached prompt already
		limit = best
	case Reliability:
		limit = best + 0.05
	case Balanced:
		limit = best + 0.5
	case LeastBusy:
		limit = best + 4
	case Weighted, Priority, RoundRobin:
	}
	if p.Compares() && peers[at].heldAt > limit {
		return -1
	}
	return at
}

// bind moves the choice that has the conversation before all others: it alone knows what the request goes on from.
func bind(choices []choice) {
	if at := slices.IndexFunc(choices, func(c choice) bool { return c.held }); at >= 0 {
		choices[at].kept, choices[at].waits = true, false
		advance(choices, at)
	}
}

// lead says which of the choices of one priority, in the order of their scores, goes first. Of those that are about as
// good as the best it takes two by chance and then the less busy, so that the nodes of a cluster, and the requests between
// two measurements, do not all run to the same one.
func (p Policy) lead(peers []choice, d *dice) int {
	if len(peers) < 2 || peers[0].trial {
		return 0
	}
	if cold, others := coldOf(peers); p.learns() && cold > 0 && others && d.float() < explores {
		n := int(d.float() * float64(cold))
		for i := range peers {
			if peers[i].cold && peers[i].weight > 0 {
				if n == 0 {
					peers[i].explored = true
					return i
				}
				n--
			}
		}
	}
	near, weights := p.near(peers)
	if weights == 0 {
		return 0
	}
	first := pick(peers[:near], weights, -1, d)
	weights -= peers[first].weight
	if weights <= 0 {
		return first
	}
	return better(peers, first, pick(peers[:near], weights, first, d))
}

// coldOf counts the choices that little is known of, and says whether there are others.
func coldOf(peers []choice) (cold int, others bool) {
	for i := range peers {
		switch {
		case peers[i].weight == 0:
		case peers[i].cold:
			cold++
		default:
			others = true
		}
	}
	return cold, others
}

// near is how many of the choices are about as good as the best, which comes first, and the weight of these.
func (p Policy) near(peers []choice) (n int, weights float64) {
	limit := peers[0].score
	switch p {
	case Latency:
		limit *= 1.1
	case Reliability:
		limit += 0.02
	case Balanced:
		limit += 0.1
	case LeastBusy:
		limit++
	case Cost, Weighted, Priority, RoundRobin:
	}
	for n = 0; n < len(peers) && peers[n].weight > 0 && peers[n].score <= limit; n++ {
		weights += peers[n].weight
	}
	return n, weights
}

// pick takes one by chance, in proportion to weight, but not the one named.
func pick(peers []choice, weights float64, but int, d *dice) int {
	at, last := d.float()*weights, 0
	for i := range peers {
		if i == but || peers[i].weight == 0 {
			continue
		}
		last = i
		if at -= peers[i].weight; at < 0 {
			break
		}
	}
	return last
}

// better is which of two has less to do for its weight; the first where they are even.
func better(peers []choice, a, b int) int {
	if peers[b].load < peers[a].load {
		return b
	}
	return a
}

// tell writes into a target what its choice came to.
func (c *choice) tell(t *Target, round int) {
	t.peers, t.waits = c.peers, c.waits
	t.trial = c.trial && round == 0
	t.exploring = c.explored && round == 0
	t.kept = c.kept && round == 0
}

// chances works out the chance of each target to be tried first. The choices are in order.
func (p Policy) chances(choices []choice, targets []Target) {
	to := 0
	for to < len(choices) && !choices[to].waits {
		to++
	}
	for i, chance := range p.leadChances(choices[:to]) {
		c := &choices[i]
		peers := targets[c.from:c.to]
		for j := range peers {
			peers[j].Chance = chance * peers[j].keyShare(peers)
		}
	}
}

func (p Policy) leadChances(peers []choice) []float64 {
	chances := make([]float64, len(peers))
	if len(peers) == 0 {
		return chances
	}
	switch {
	case peers[0].kept:
		chances[0] = 1
	case p == Priority || p == RoundRobin || peers[0].peers == 0 && !p.Compares():
		chances[0] = 1
	case peers[0].trial:
		chances[0] = 1
	case !p.Compares():
		for i := range peers {
			chances[i] = peers[i].weight / peers[i].peers
		}
	default:
		p.comparedChances(peers, chances)
	}
	return chances
}

// comparedChances is what lead comes to on average.
func (p Policy) comparedChances(peers []choice, chances []float64) {
	// The one that leads stands before those of a better score: lead saw them in the order of these.
	order := make([]int, len(peers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(peers[a].place, peers[b].place), cmp.Compare(peers[a].from, peers[b].from))
	})
	sorted := make([]choice, len(peers))
	for i, at := range order {
		sorted[i] = peers[at]
	}
	rest := 1.0
	if cold, others := coldOf(sorted); p.learns() && cold > 0 && others {
		rest -= explores
		for i := range sorted {
			if sorted[i].cold && sorted[i].weight > 0 {
				chances[order[i]] += explores / float64(cold)
			}
		}
	}
	near, weights := p.near(sorted)
	if weights == 0 {
		chances[order[0]] += rest
		return
	}
	for a := range near {
		first := rest * sorted[a].weight / weights
		if left := weights - sorted[a].weight; left > 0 {
			for b := range near {
				if b != a {
					chances[order[better(sorted, a, b)]] += first * sorted[b].weight / left
				}
			}
			continue
		}
		chances[order[a]] += first
	}
}

// inf is a place after all others.
var inf = math.Inf(1)

// dice are throws that a seed decides.
type dice struct{ rand.PCG }

// float is from 0 to below 1.
func (d *dice) float() float64 { return float64(d.Uint64()>>11) / (1 << 53) }

// wait is an exponential variate divided by a weight: in a sort by these, each comes first in proportion to its weight
// (Efraimidis and Spirakis, 2006). Without a weight it is endless.
func (d *dice) wait(weight float64) float64 {
	if weight <= 0 {
		return inf
	}
	return -math.Log(1-d.float()) / weight
}
