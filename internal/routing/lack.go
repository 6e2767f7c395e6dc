package routing

import (
	"fmt"
	"math"

	"aihigress/internal/health"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
)

// What a request takes of a context is an estimate, and what the catalogue knows of the length of answers is what is usual:
// only a clear excess counts as a lack.
const (
	contextMargin = 4 // a quarter more than the context
	outputMargin  = 2 // half more than the longest answer
)

// exceeds reports whether so many tokens are clearly more than there is room for; a room of 0 is unknown.
func exceeds(tokens, room, margin int64) bool { return room > 0 && tokens > room+room/margin }

// lacks is what a route is known not to have of what the request needs.
func (in *Input) lacks(r *snapshot.Route) llm.Needs {
	lacks := llm.Needs(0)
	if in.Needs&llm.NeedDialect != 0 && r.Provider.Dialect != in.Dialect {
		lacks |= llm.NeedDialect
	}
	if in.Needs&llm.NeedStreaming != 0 && r.Provider.Streaming == "never" {
		lacks |= llm.NeedStreaming
	}
	m := r.Upstream
	if m == nil {
		return lacks
	}
	lacks |= in.Needs & m.Lacks
	if exceeds(in.Context+in.Output, m.Context, contextMargin) {
		lacks |= llm.NeedContext
	}
	if exceeds(in.Output, m.MaxOutput, outputMargin) {
		lacks |= llm.NeedOutput
	}
	return lacks
}

// leaveOut marks what lacks something: for good where the request cannot go without it, and else while others lack less.
func leaveOut(targets []Target, in *Input) {
	least := math.MaxInt
	for i := range targets {
		t := &targets[i]
		if i > 0 && t.Route == targets[i-1].Route {
			t.Lacks = targets[i-1].Lacks
		} else {
			t.Lacks = in.lacks(t.Route)
		}
		if t.Lacks&(llm.NeedContext|llm.NeedOutput) != 0 {
			t.context, t.output = tokens32(in.Context), tokens32(in.Output)
		}
		switch {
		case t.Unfit():
			t.LeftOut = true
		case !t.LeftOut:
			least = min(least, t.Lacks.Count())
		}
	}
	for i := range targets {
		if t := &targets[i]; !t.LeftOut && t.Lacks.Count() > least {
			t.LeftOut = true
		}
	}
}

// tokens32 is a number of tokens in little room.
func tokens32(n int64) int32 { return int32(min(max(n, 0), math.MaxInt32)) }

// Unfit reports whether the target lacks what the request cannot go without, or a key. It must not be tried, whatever
// happens.
func (t *Target) Unfit() bool { return t.Keyless || t.Lacks&llm.HardNeeds != 0 }

// Fit is a plan without what is unfit, which stands at its end.
func Fit(plan []Target) []Target {
	n := len(plan)
	for n > 0 && plan[n-1].Unfit() {
		n--
	}
	return plan[:n]
}

// Tokens is about how many the request takes of the context, where that is too much for the target.
func (t *Target) Tokens() int64 { return int64(t.context) + int64(t.output) }

// rank orders what is left out: what serves the request worse than others, then what is out of use, then what is unfit.
func (t *Target) rank() int {
	switch {
	case t.Unfit():
		return 2
	case t.Standing.State == health.Open:
		return 1
	}
	return 0
}

// Why is why the target is left out, as a code: "no_key", the needs that it lacks, joined by "+", or the class of failure
// that put it out of use. It is empty where it is not left out.
func (t *Target) Why() string {
	switch {
	case !t.LeftOut:
		return ""
	case t.Keyless:
		return "no_key"
	case t.Unfit():
		return (t.Lacks & llm.HardNeeds).String()
	case t.Standing.State != health.Open:
		return t.Lacks.String()
	case t.Standing.Trying:
		return "half_open"
	}
	return t.Standing.Opening.Why.Code()
}

// lackReasons says for people what the target lacks.
func (t *Target) lackReasons() []string {
	var reasons []string
	if t.Keyless {
		reasons = append(reasons, "none of its provider's keys can be used")
	}
	for need := range t.Lacks.All() {
		switch need {
		case llm.NeedContext:
			reasons = append(reasons, fmt.Sprintf("context of %d tokens is too short for about %d", t.Route.Upstream.Context, t.Tokens()))
		case llm.NeedOutput:
			reasons = append(reasons, fmt.Sprintf("answers of %d tokens are too short for %d", t.Route.Upstream.MaxOutput, t.output))
		case llm.NeedStreaming:
			reasons = append(reasons, "lacks streaming")
		case llm.NeedDialect:
			reasons = append(reasons, "speaks "+t.Route.Provider.Dialect+", which lacks what only the caller's dialect has")
		default:
			reasons = append(reasons, "lacks "+need.String())
		}
	}
	return reasons
}
