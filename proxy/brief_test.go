package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// planned is a plan in brief, as "strategy: slug slug(reason) +more".
func planned(p *usage.Plan) string {
	if p == nil {
		return ""
	}
	text := p.Strategy + ":"
	for _, t := range p.Targets {
		text += " " + t.ProviderSlug
		if t.Out != "" {
			text += "(" + t.Out + ")"
		}
		if t.UpstreamModel != "up-m" || t.KeyID.IsZero() || (t.Score != nil) != (t.Out == "" && p.Strategy != "priority") {
			text += fmt.Sprintf("!%+v", t)
		}
	}
	if p.More > 0 {
		text += fmt.Sprint(" +", p.More)
	}
	return text
}

// Each call keeps its plan in brief, where there was something to choose.
func TestCallsKeepTheirPlan(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.OpenAI)
	blind, dull := snapshot.ProviderModel{Lacks: llm.NeedVision}, snapshot.ProviderModel{Lacks: llm.NeedReasoning}
	thinking := strings.Replace(pictured[llm.OpenAI], "{", `{"reasoning_effort":"low",`, 1)
	strategy := func(name string) func(*proxy.Options, *snapshot.Contents) {
		return func(_ *proxy.Options, c *snapshot.Contents) { c.Models[0].Strategy = name }
	}
	many := make([]vendor, 9)
	for i := range many {
		many[i].handler = s.answers(false)
	}
	for name, tt := range map[string]struct {
		body     string
		vendors  []vendor
		strategy string
		known    []snapshot.ProviderModel
		want     string
		status   int
	}{
		"one way":                     {chat, many[:1], "priority", nil, "", 200},
		"two":                         {chat, many[:2], "priority", nil, "priority: v0 v1", 200},
		"two keys":                    {chat, []vendor{{handler: s.answers(false), keys: []string{"a", "b"}}}, "priority", nil, "priority: v0 v0", 200},
		"with scores":                 {chat, many[:2], "least_busy", nil, "least_busy: v0 v1", 200},
		"left out":                    {thinking, many[:3], "priority", []snapshot.ProviderModel{blind, dull}, "priority: v2 v1(reasoning) v0(vision)", 200},
		"one, and refused":            {pictured[llm.OpenAI], many[:1], "priority", []snapshot.ProviderModel{blind}, "priority: v0(vision)", 400},
		"more than there is room for": {chat, many, "priority", nil, "priority: v0 v1 v2 v3 v4 v5 +3", 200},
		"more, and left out": {pictured[llm.OpenAI], many, "priority", []snapshot.ProviderModel{blind, {}, blind, {}, blind},
			"priority: v1 v3 v5 v6 v0(vision) v2(vision) +3", 200},
	} {
		w := newWorld(t, tt.vendors, knowing(tt.known...), strategy(tt.strategy))
		a := w.post("/chat/completions", tt.body)
		if got := planned(w.only().Plan); got != tt.want || a.StatusCode != tt.status {
			t.Errorf("%s: %d, planned %q, want %q", name, a.StatusCode, got, tt.want)
		}
		if tt.status == 200 && planned(w.meter.admitted[0].Plan) != tt.want {
			t.Errorf("%s: admitted with %q", name, planned(w.meter.admitted[0].Plan))
		}
	}
}
