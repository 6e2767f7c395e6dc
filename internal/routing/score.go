package routing

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/snapshot"
)

// usualOutput is how long an answer is taken to be, in tokens, where nobody says.
const usualOutput = 300

// cachedShare is how much of a conversation's prompt is taken to be read from the cache, in percent.
const cachedShare = 80

// Terms is what a policy compares. Of a target that was never tried, a figure is the mean of the others'.
type Terms struct {
	FirstToken float64 // seconds to the first token of a stream
	Generation float64 // seconds from then to the end of the expected answer
	Price      float64 // credits for the expected request; NaN is unknown, or not asked for
	Errors     float64 // share of attempts that fail, from 0 to 1
	CooledDown float64 // share of the keys of its provider that are out of use, from 0 to 1
	InFlight   int64   // attempts
	Known      float64 // attempts that the figures stand for, weighted by their age
	Score      float64 // what the policy makes of it; lower is better
}

// estimate fills in the terms of all targets, a price only where the policy asks for one.
func (p Policy) estimate(targets []Target, in *Input) {
	output := int64(usualOutput)
	if in.Output > 0 {
		output = min(output, in.Output)
	}
	var firstToken, speed mean
	for i := range targets {
		if s := targets[i].Standing.Stats; s != nil {
			firstToken.add(&s.FirstToken)
			speed.add(&s.Speed)
		}
	}
	asksPrice := p == Cost || p == Balanced
	for i := range targets {
		t := &targets[i]
		terms := &t.Terms
		terms.InFlight = t.Standing.InFlight
		terms.Known, terms.Errors = t.Standing.Stats.Reliability(in.Now)
		stats := t.Standing.Stats
		if stats == nil {
			stats = &health.Stats{}
		}
		terms.FirstToken = firstToken.or(&stats.FirstToken)
		if v := speed.or(&stats.Speed); v > 0 {
			terms.Generation = float64(output) / v
		}
		switch {
		case !asksPrice:
			terms.Price = math.NaN()
		case i > 0 && t.Route == targets[i-1].Route && t.Held == targets[i-1].Held:
			terms.Price = targets[i-1].Terms.Price
		default:
			terms.Price = price(t.Route, in.Prompt, output, t.Held, in.Now)
		}
	}
}

// coolDown fills in, for the targets of one route, which share of its provider's keys is out of use.
func coolDown(targets []Target) {
	dead := len(targets[0].Route.Provider.Dead)
	out := dead
	for i := range targets {
		if targets[i].Keyless || targets[i].Standing.State == health.Open {
			out++
		}
	}
	if out == 0 {
		return
	}
	for i := range targets {
		targets[i].Terms.CooledDown = float64(out) / float64(len(targets)+dead)
	}
}

// A mean is the mean of what is known.
type mean struct{ sum, n float64 }

func (m *mean) add(s *health.Spread) {
	if s.Count > 0 {
		m.sum += s.Mean
		m.n++
	}
}

// or is the mean of a spread, or that of the others where nothing is known of it.
func (m *mean) or(s *health.Spread) float64 {
	switch {
	case s.Count > 0:
		return s.Mean
	case m.n > 0:
		return m.sum / m.n
	}
	return 0
}

// price is what the request costs by a route, in credits; NaN is unknown. Of a prompt whose beginning is cached, most is
// taken to be: all but the last turn.
func price(r *snapshot.Route, prompt, output int64, held bool, now time.Time) float64 {
	if r.Upstream == nil {
		return math.NaN()
	}
	u := llm.Usage{Input: max(prompt, 1), Output: output}
	if held {
		u.CachedInput = u.Input * cachedShare / 100
		u.Input -= u.CachedInput
	}
	amount, priced := r.Upstream.Rate.Cost(u, now)
	if !priced {
		return math.NaN()
	}
	return float64(amount) / float64(money.Credit)
}

// score fills in the scores. A zero balance is the usual one.
func (p Policy) score(targets []Target, counts snapshot.Balance) {
	counts = balanced(counts)
	soonest, cheapest := inf, inf
	for i := range targets {
		if t := &targets[i]; !t.LeftOut {
			soonest = min(soonest, t.Terms.seconds())
			if !math.IsNaN(t.Terms.Price) { // min would be NaN
				cheapest = min(cheapest, t.Terms.Price)
			}
		}
	}
	for i := range targets {
		t := &targets[i].Terms
		switch p {
		case Latency:
			t.Score = t.seconds()
		case Cost:
			t.Score = t.Price
			if math.IsNaN(t.Price) {
				t.Score = math.MaxFloat64 // it may cost anything
			}
		case Reliability:
			t.Score = targets[i].risk()
		case Balanced:
			t.Score = counts.Latency*over(t.seconds(), soonest) + counts.Price*over(t.Price, cheapest) + counts.Errors*targets[i].risk()
		case LeastBusy:
			t.Score = float64(t.InFlight) / float64(max(targets[i].Route.Weight, 1))
		case Weighted, Priority, RoundRobin:
		}
	}
}

// UsualBalance is that of a zero Input.Balance. It has failing always count as much as taking or costing eleven times as much.
var UsualBalance = snapshot.Balance{Latency: 1, Price: 1, Errors: 10}

// balanced is a balance whose largest weight, next to the usual ones, is 1: only proportions count, and what is about as good
// as the best does not depend on how large the numbers are.
func balanced(counts snapshot.Balance) snapshot.Balance {
	most := max(counts.Latency/UsualBalance.Latency, counts.Price/UsualBalance.Price, counts.Errors/UsualBalance.Errors)
	if most <= 0 {
		return UsualBalance
	}
	return snapshot.Balance{Latency: counts.Latency / most, Price: counts.Price / most, Errors: counts.Errors / most}
}

// overLimit bounds how much more a term of a balanced score may be than the least, so that the others still matter.
const overLimit = 10

// over is how much more a figure is than the least, as a share of it. What is unknown is taken to be twice as much.
func over(value, least float64) float64 {
	switch {
	case math.IsInf(least, 1): // nobody knows
		return 0
	case math.IsNaN(value):
		return 1
	case value <= least:
		return 0
	case least <= 0:
		return 1
	}
	return min(value/least-1, overLimit)
}

// seconds is how long the answer takes, tries that fail included: these cost as much again.
func (t *Terms) seconds() float64 {
	const least = 0.01 // of success, so that nothing is divided by nothing
	return (t.FirstToken + t.Generation) / max(1-t.surely(), least)
}

// surely is the share of attempts that fails for all that is known: the rate less its standard error. A failure or two of a
// hundred may be chance, and who is not known yet has the benefit of the doubt.
func (t *Terms) surely() float64 {
	return max(0, t.Errors-math.Sqrt(t.Errors*(1-t.Errors)/(t.Known+1)))
}

// cooledCounts is how much of a failing route one counts as all of whose keys are out of use: what has befallen some of its
// keys may befall the others, which have more to do now.
const cooledCounts = 0.1

// risk is the share of attempts that is taken to fail. Of a conversation's own key it is what that key does: its cache is
// not worth less for what befell others.
func (t *Target) risk() float64 {
	if t.Held {
		return t.Terms.surely()
	}
	return t.Terms.surely() + cooledCounts*t.Terms.CooledDown
}

// Reasons says for people why the target stands where it stands. It is made only when asked for.
func (t *Target) Reasons() []string {
	if t.LeftOut {
		return t.leftOut()
	}
	r := t.Route
	reasons := []string{fmt.Sprintf("priority %d", r.Priority)}
	if t.waits {
		reasons = append(reasons, "waits for routes of a lower priority number")
	}
	switch {
	case t.trial:
		reasons = append(reasons, fmt.Sprintf("half open after %s: one attempt tries it", t.Standing.Opening.Why))
	case t.kept:
		reasons = append(reasons, "has the beginning of this conversation in its cache")
	case t.exploring:
		reasons = append(reasons, "first this time, to learn about it")
	}
	switch {
	case t.policy == Priority:
		reasons = append(reasons, fmt.Sprintf("weight %d orders it within its priority", r.Weight))
	case r.Weight <= 0 && t.peers > 0:
		reasons = append(reasons, "weight 0: only when the others fail")
	default:
		reasons = append(reasons, fmt.Sprintf("weight %d of %.0f", r.Weight, t.peers))
	}
	switch {
	case t.Key == nil:
		reasons = append(reasons, "the provider has no key")
	case len(r.Provider.Keys) > 1:
		reasons = append(reasons, t.keyReason())
	}
	if r.Upstream == nil || r.Upstream.Rate.Input == nil && r.Upstream.Rate.Output == nil {
		reasons = append(reasons, "unpriced")
	}
	reasons = append(reasons, t.lackReasons()...)
	return append(reasons, t.figures()...)
}

// keyReason is why the key stands where it stands among those of its provider.
func (t *Target) keyReason() string {
	switch {
	case t.Room <= 0:
		return "the key has no room"
	case t.Room < 1:
		return fmt.Sprintf("key weight %d times %.0f %% room, of %.3g", t.Key.Weight, 100*t.Room, t.keyPeers)
	}
	return fmt.Sprintf("key weight %d of %.3g", t.Key.Weight, t.keyPeers)
}

// figures is the terms that the policy goes by.
func (t *Target) figures() []string {
	terms := &t.Terms
	if !t.policy.Compares() {
		return nil
	}
	if t.policy == LeastBusy {
		return []string{fmt.Sprintf("%d in flight", terms.InFlight)}
	}
	var said []string
	if t.policy == Latency || t.policy == Balanced {
		said = append(said, "first token after "+seconds(terms.FirstToken), "then "+seconds(terms.Generation)+" to the end")
	}
	if (t.policy == Cost || t.policy == Balanced) && !math.IsNaN(terms.Price) {
		said = append(said, "costs "+strconv.FormatFloat(terms.Price, 'g', 3, 64)+" credits")
	}
	if t.policy != Cost {
		said = append(said, fmt.Sprintf("%.1f %% fail", 100*terms.Errors))
	}
	if (t.policy == Reliability || t.policy == Balanced) && terms.CooledDown > 0 {
		said = append(said, fmt.Sprintf("%.0f %% of its keys are out of use", 100*terms.CooledDown))
	}
	if t.policy.learns() && terms.Known < coldBelow {
		said = append(said, "little is known of it")
	}
	return said
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 2, 64) + " s" }

// leftOut is why a target is not used now.
func (t *Target) leftOut() []string {
	lacks := t.lackReasons()
	switch t.rank() {
	case 0:
		return append(lacks, "only when the others fail")
	case 2:
		return lacks
	}
	o := t.Standing.Opening
	until := "until " + o.Until.UTC().Format("15:04:05") + " UTC"
	switch {
	case t.Standing.Trying:
		until = "half open, and being tried"
	case o.Asked:
		until += ", as the vendor asked"
	}
	return append([]string{fmt.Sprintf("out of use: %s (%s)", o.Why, t.Standing.Scope), until}, lacks...)
}
