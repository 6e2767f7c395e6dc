package routing_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// able is a route to a model that is known to lack something.
func able(slug string, lacks llm.Needs, change ...func(*snapshot.Route)) snapshot.Route {
	r := route(slug, 1, 0, 1)
	r.Provider.Dialect = llm.OpenAI
	r.Upstream = &snapshot.ProviderModel{Lacks: lacks}
	for _, f := range change {
		f(&r)
	}
	return r
}

func sized(context, output int64) func(*snapshot.Route) {
	return func(r *snapshot.Route) { r.Upstream.Context, r.Upstream.MaxOutput = context, output }
}

func through(dialect, streaming string) func(*snapshot.Route) {
	return func(r *snapshot.Route) { r.Provider.Dialect, r.Provider.Streaming = dialect, streaming }
}

func unlisted(r *snapshot.Route) { r.Upstream = nil }

func second(r *snapshot.Route) { r.Priority = 1 }

// described is a plan as "slug", or "(slug: why)" for what is left out; what must never be tried has a "!".
func described(plan []routing.Target) string {
	var all []string
	for i := range plan {
		switch t := &plan[i]; {
		case t.Unfit():
			all = append(all, "!("+t.Route.Provider.Slug+": "+t.Why()+")")
		case t.LeftOut:
			all = append(all, "("+t.Route.Provider.Slug+": "+t.Why()+")")
		default:
			all = append(all, t.Route.Provider.Slug)
		}
	}
	return strings.Join(all, " ")
}

func TestRoutesThatLackSomethingAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		in     routing.Input
		routes []snapshot.Route
		want   string
	}{
		{"what is not needed may be lacking", routing.Input{}, []snapshot.Route{able("a", llm.Abilities)}, "a"},
		{"what is not known is not lacking", routing.Input{Needs: llm.Abilities, Context: 1 << 20, Output: 1 << 20}, []snapshot.Route{able("a", 0), able("b", 0, unlisted)}, "a b"},
		{"vision", routing.Input{Needs: llm.NeedVision}, []snapshot.Route{able("a", llm.NeedVision), able("b", 0, second)}, "b !(a: vision)"},
		{"hard needs that nobody meets", routing.Input{Needs: llm.NeedVision | llm.NeedTools}, []snapshot.Route{able("a", llm.NeedVision), able("b", llm.NeedTools)}, "!(a: vision) !(b: tools)"},
		{"audio and tools", routing.Input{Needs: llm.NeedAudio | llm.NeedTools}, []snapshot.Route{able("a", llm.NeedAudio|llm.NeedTools)}, "!(a: audio+tools)"},
		{"reasoning, another has it", routing.Input{Needs: llm.NeedReasoning}, []snapshot.Route{able("a", llm.NeedReasoning), able("b", 0, second)}, "b (a: reasoning)"},
		{"reasoning, nobody has it", routing.Input{Needs: llm.NeedReasoning}, []snapshot.Route{able("a", llm.NeedReasoning), able("b", llm.NeedReasoning)}, "a b"},
		{"who lacks least stays", routing.Input{Needs: llm.NeedReasoning | llm.NeedStructured},
			[]snapshot.Route{able("a", llm.NeedReasoning|llm.NeedStructured), able("b", llm.NeedReasoning), able("c", llm.NeedStructured)}, "b c (a: structured_output+reasoning)"},
		{"a soft lack counts only among those that are fit", routing.Input{Needs: llm.NeedReasoning | llm.NeedVision},
			[]snapshot.Route{able("a", llm.NeedReasoning), able("b", llm.NeedVision)}, "a !(b: vision)"},
		{"a tool that the vendor runs", routing.Input{Needs: llm.NeedDialect, Dialect: llm.Anthropic},
			[]snapshot.Route{able("a", 0), able("b", 0, through(llm.Anthropic, ""))}, "b (a: dialect)"},
		{"streams", routing.Input{Needs: llm.NeedStreaming}, []snapshot.Route{able("a", 0, through(llm.OpenAI, "never")), able("b", 0, through(llm.OpenAI, "only"))}, "b (a: streaming)"},
		{"a whole answer is had everywhere", routing.Input{}, []snapshot.Route{able("a", 0, through(llm.OpenAI, "never")), able("b", 0, through(llm.OpenAI, "only"))}, "a b"},
		{"context, clearly", routing.Input{Context: 8000, Output: 3000}, []snapshot.Route{able("a", 0, sized(8192, 0)), able("b", 0, sized(128_000, 0))}, "b !(a: context)"},
		{"context, within the margin", routing.Input{Context: 8000, Output: 2240}, []snapshot.Route{able("a", 0, sized(8192, 0))}, "a"},
		{"the answer alone is too long for the context", routing.Input{Output: 10_241}, []snapshot.Route{able("a", 0, sized(8192, 0))}, "!(a: context)"},
		{"length of the answer", routing.Input{Output: 6145}, []snapshot.Route{able("a", 0, sized(0, 4096)), able("b", 0, sized(0, 8192))}, "b (a: output)"},
		{"length of the answer, within the margin", routing.Input{Output: 6144}, []snapshot.Route{able("a", 0, sized(0, 4096)), able("b", 0, sized(0, 8192))}, "a b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.in.Routes = tt.routes
			if got := described(routing.Priority.Explain(tt.in)); got != tt.want {
				t.Errorf("planned %s, want %s", got, tt.want)
			}
			tries := 0
			for _, target := range routing.Fit(routing.Priority.Plan(nil, tt.in)) {
				if target.Unfit() {
					t.Errorf("%s is fit", target.Route.Provider.Slug)
				}
				tries++
			}
			if want := len(tt.routes) - strings.Count(tt.want, "!"); tries != want {
				t.Errorf("%d are tried, want %d", tries, want)
			}
		})
	}
}

// Who lacks something soft steps in before anybody who is out of use, and stays in front where those who have it are.
func TestWhatLacksStepsInForWhatIsOutOfUse(t *testing.T) {
	t.Parallel()
	routes := []snapshot.Route{able("open", 0), able("dull", llm.NeedReasoning), able("blind", llm.NeedVision)}
	in := routing.Input{Routes: routes, Now: noon, Needs: llm.NeedReasoning | llm.NeedVision, Health: standings{
		{Provider: routes[0].Provider.ID, Model: "m", Key: routes[0].Provider.Keys[0].ID}: {State: health.Open, Opening: &health.Opening{Why: health.RateLimited, Until: noon.Add(time.Second)}},
	}}
	if got := described(routing.Priority.Plan(nil, in)); got != "dull (open: rate_limited) !(blind: vision)" {
		t.Error(got)
	}
}

func TestLacksAreExplained(t *testing.T) {
	t.Parallel()
	routes := []snapshot.Route{
		able("fit", 0), able("blind", llm.NeedVision|llm.NeedTools, sized(8192, 4000)), able("other", llm.NeedReasoning, through(llm.Gemini, "never"), sized(0, 4000)),
	}
	want := map[string][]string{
		"blind/0": {"lacks vision", "lacks tools", "context of 8192 tokens is too short for about 19000", "answers of 4000 tokens are too short for 7000"},
		"other/0": {"lacks reasoning", "lacks streaming", "speaks gemini, which lacks what only the caller's dialect has", "answers of 4000 tokens are too short for 7000", "only when the others fail"},
		"fit/0":   {"priority 0", "weight 1 of 1", "unpriced"},
	}
	in := routing.Input{Routes: routes, Needs: llm.Abilities | llm.NeedDialect | llm.NeedStreaming, Dialect: llm.OpenAI, Context: 12_000, Output: 7000}
	for _, target := range routing.Weighted.Explain(in) {
		if got := target.Reasons(); !slices.Equal(got, want[name(target)]) {
			t.Errorf("%s: %q", name(target), got)
		}
	}
	alone := routing.Input{Routes: routes[2:], Needs: llm.NeedReasoning}
	if got := routing.Weighted.Explain(alone)[0]; got.LeftOut || !slices.Contains(got.Reasons(), "lacks reasoning") {
		t.Errorf("%v %q", got.LeftOut, got.Reasons())
	}
}

// Whatever a request needs and routes lack: what is unfit stands behind all else, what is fit is tried, and who is in use
// lacks no more than any other that could be.
func TestLeftOutForALack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		routes, pairs := drawRoutes(t)
		for i := range routes {
			routes[i].Upstream = &snapshot.ProviderModel{
				Lacks: llm.Abilities & llm.Needs(rapid.Uint16().Draw(t, "lacks")), Context: rapid.SampledFrom([]int64{0, 1000, 100_000}).Draw(t, "context"),
			}
		}
		in := routing.Input{
			Routes: routes, Health: drawStandings(t, routes), Now: noon, Seed: rapid.Uint64().Draw(t, "seed"),
			Needs: llm.Abilities & llm.Needs(rapid.Uint16().Draw(t, "needs")), Context: rapid.SampledFrom([]int64{0, 1200, 1300}).Draw(t, "prompt"),
		}
		policy := rapid.SampledFrom(routing.Policies).Draw(t, "policy")
		plan := policy.Explain(in)
		if len(plan) != min(pairs, routing.MaxTargets) {
			t.Fatalf("%d targets of %d", len(plan), pairs)
		}
		fit, least, total := len(routing.Fit(plan)), 100, 0.0
		for i, target := range plan {
			m := target.Route.Upstream
			lacks := in.Needs & m.Lacks
			if m.Context == 1000 && in.Context > 1250 {
				lacks |= llm.NeedContext
			}
			if target.Lacks != lacks || target.Unfit() != (lacks&llm.HardNeeds != 0) || target.Unfit() != (i >= fit) {
				t.Fatalf("%d: %s lacks %s, unfit %v", i, name(target), target.Lacks, target.Unfit())
			}
			if (target.Why() == "") == target.LeftOut || target.Unfit() && !target.LeftOut {
				t.Fatalf("%s is left out: %v, why: %q", name(target), target.LeftOut, target.Why())
			}
			total += target.Chance
			if target.LeftOut && target.Chance != 0 {
				t.Fatalf("%s is left out with a chance of %v", name(target), target.Chance)
			}
			if i > 0 && plan[i-1].LeftOut && !target.LeftOut {
				t.Fatalf("%s stands behind what is left out", name(target))
			}
			if !target.Unfit() && target.Standing.State != health.Open {
				least = min(least, target.Lacks.Count())
			}
		}
		for _, target := range plan {
			if !target.Unfit() && target.Standing.State != health.Open && target.LeftOut != (target.Lacks.Count() > least) {
				t.Fatalf("%s lacks %s, the least is %d, left out: %v", name(target), target.Lacks, least, target.LeftOut)
			}
		}
		if pairs <= routing.MaxTargets && least < 100 && (total < 1-1e-9 || total > 1+1e-9) {
			t.Fatalf("the chances add up to %v", total)
		}
		quick := policy.Plan(nil, in)
		if !slices.EqualFunc(plan, quick, func(a, b routing.Target) bool { return name(a) == name(b) && a.Why() == b.Why() }) {
			t.Fatal("Plan is not what Explain says")
		}
	})
}

func TestMatchingNeedsDoesNotAllocate(t *testing.T) {
	in, dst := twenty()
	in.Needs, in.Dialect, in.Context, in.Output = llm.Abilities|llm.NeedDialect|llm.NeedStreaming, llm.OpenAI, 100_000, 10_000
	for i := range in.Routes {
		in.Routes[i].Upstream.Lacks, in.Routes[i].Upstream.Context = llm.Needs(i)&llm.Abilities, int64(20_000*i)
	}
	for _, policy := range routing.Policies {
		if n := testing.AllocsPerRun(100, func() { in.Seed++; dst = policy.Plan(dst[:0], in) }); n != 0 {
			t.Errorf("%s: %v allocations", policy, n)
		}
	}
	if dst[0].Route.Provider.ID == (id.Provider{}) || !dst[len(dst)-1].Unfit() {
		t.Errorf("%s", described(dst))
	}
}
