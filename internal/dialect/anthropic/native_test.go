package anthropic_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

// TestBackToTheSameDialect: what callers of the dialect say and others cannot stays as it is.
func TestBackToTheSameDialect(t *testing.T) {
	t.Parallel()
	const hi = `"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
	for name, tt := range map[string]struct{ model, body, want, dropped string }{
		"system messages later on": {"claude-opus-4-8",
			`"max_tokens":9,"messages":[{"role":"user","content":"q"},{"role":"system","content":"s"},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"r"}]},{"role":"system","content":[{"type":"text","text":"t","cache_control":{"type":"ephemeral"}}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}]`,
			`"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"system","content":[{"type":"text","text":"s"}]},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"r"}]}]},{"role":"system","content":[{"type":"text","text":"t","cache_control":{"type":"ephemeral"}}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}]`, "[]"},
		"a system message before the results": {"claude-opus-4-8",
			`"max_tokens":9,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},{"role":"system","content":"s"},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"r"}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}]`,
			`"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"r"}]}]},{"role":"system","content":[{"type":"text","text":"s"}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}]`, "[]"},
		"what Claude Code tells the vendor": {"claude-opus-4-7", `"max_tokens":9,"system":[{"type":"text","text":"x-anthropic-billing-header: a=b;"},{"type":"text","text":"s"}],` + hi,
			`"max_tokens":9,"system":[{"type":"text","text":"x-anthropic-billing-header: a=b;"},{"type":"text","text":"s"}],` + hi, "[]"},
		"no answer":                  {"claude-opus-4-7", `"max_tokens":0,` + hi, `"max_tokens":0,` + hi, "[]"},
		"more than is known of":      {"claude-opus-4-7", `"max_tokens":64000,` + hi, `"max_tokens":64000,` + hi, "[]"},
		"effort without thinking":    {"claude-opus-4-7", `"max_tokens":9,"output_config":{"effort":"low"},` + hi, `"max_tokens":9,"output_config":{"effort":"low"},` + hi, "[]"},
		"effort and no thinking":     {"claude-opus-4-6", `"max_tokens":9,"thinking":{"type":"disabled"},"output_config":{"effort":"low"},` + hi, `"max_tokens":9,"thinking":{"type":"disabled"},"output_config":{"effort":"low"},` + hi, "[]"},
		"effort and a budget":        {"claude-opus-4-5", `"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"output_config":{"effort":"low"},` + hi, `"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"output_config":{"effort":"low"},` + hi, "[]"},
		"effort where there is none": {"claude-haiku-4-5", `"max_tokens":9000,"output_config":{"effort":"low"},` + hi, `"max_tokens":9000,` + hi, "[reasoning]"},
		"adaptive where there is none": {"claude-haiku-4-5", `"max_tokens":9000,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"},` + hi,
			`"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":1024},` + hi, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, dropped := encode(t, decode(t, `{"model":"m",`+tt.body+`}`), dialect.Target{Model: tt.model, MaxOutput: 8192})
			same(t, `{"model":"`+tt.model+`",`+tt.want+`}`, got)
			if dropped != tt.dropped {
				t.Errorf("dropped %s, want %s", dropped, tt.dropped)
			}
		})
	}
}

// TestWhatOnlyAnthropicGets: others are told of neither as a text.
func TestWhatOnlyAnthropicGets(t *testing.T) {
	t.Parallel()
	r := decode(t, `{"model":"m","max_tokens":0,"system":"x-anthropic-billing-header: a=b;","messages":[{"role":"user","content":"hi"}]}`)
	if b := r.Messages[0].Blocks[0]; b.Kind != llm.Opaque || b.Vendor != llm.Anthropic || b.Type != "x-anthropic-billing-header" || b.Text != "" {
		t.Errorf("the billing header is %+v", b)
	}
	if r.MaxTokens != 1 || string(r.Extra["max_tokens"]) != "0" {
		t.Errorf("max_tokens of 0 is %d with %v", r.MaxTokens, r.Extra)
	}
}

// TestForeignCitationsComeBack: Anthropic would refuse them, and a body that has them is not passed on as it stands.
func TestForeignCitationsComeBack(t *testing.T) {
	t.Parallel()
	cited := text("hi")
	cited.Citations = []llm.Citation{{URL: "https://example.com", Title: "T", Cited: "c"}, {Title: "D", Cited: "d", Document: 1}}
	answer := anthropic.Dialect{}.EncodeResponse(&llm.Response{Candidates: []llm.Candidate{{Blocks: []llm.Block{cited}}}}, nil)
	if !llm.Carries(answer) {
		t.Errorf("nothing marks %s", answer)
	}
	back, err := anthropic.Dialect{}.DecodeResponse(answer)
	if err != nil {
		t.Fatal(err)
	}
	blocks := back.Candidates[0].Blocks
	if diff := cmp.Diff(cited.Citations, blocks[0].Citations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, dropped := encode(t, &llm.Request{Messages: []llm.Message{say(llm.User, text("q")), say(llm.Assistant, blocks...), say(llm.User, text("r"))}}, dialect.Target{Model: "claude-opus-4-7"})
	if dropped != "[citations]" || strings.Contains(got, "example.com") {
		t.Errorf("dropped %s of %s", dropped, got)
	}
}

// TestSchemasOfAnswers: what Anthropic refuses goes, as its own SDKs have it.
func TestSchemasOfAnswers(t *testing.T) {
	t.Parallel()
	const schema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"oneOf":{"oneOf":[{"type":"string","format":"uri"},{"type":"string","format":"zip"}]},` +
		`"n":{"type":"array","items":{"type":"integer","minimum":0},"minItems":1},"p":{"type":"array","prefixItems":[{"type":"string"}],"minItems":2}},"not":{"required":["n"]},"required":["oneOf"]}`
	const strict = `{"type":"object","properties":{"oneOf":{"anyOf":[{"type":"string","format":"uri"},{"type":"string"}]},"n":{"type":"array","items":{"type":"integer"},"minItems":1},` +
		`"p":{"type":"array"}},"required":["oneOf"],"additionalProperties":false}`
	for caller, want := range map[string]string{llm.OpenAI: strict, llm.Anthropic: schema} {
		r := &llm.Request{Dialect: caller, Messages: []llm.Message{say(llm.User, text("hi"))}, Format: llm.Format{Mode: llm.FormatSchema, Schema: llm.JSON(schema)}}
		got, dropped := encode(t, r, dialect.Target{Model: "claude-opus-4-7"})
		if !strings.Contains(got, `"schema":`+want+`}`) || (dropped == "[tool.strict]") != (caller == llm.OpenAI) {
			t.Errorf("of %s: dropped %s of %s", caller, dropped, got)
		}
	}
}
