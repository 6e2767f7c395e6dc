package responses_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What a model would refuse is not asked of it, where the caller cannot know: it speaks another dialect.
func TestWhatModelsRefuse(t *testing.T) {
	t.Parallel()
	say := []llm.Message{turn(llm.User, text("hi"))}
	for _, tt := range []struct {
		name, host, model string
		in                llm.Request
		want              string // within the body
		drops             []llm.Field
	}{
		{"thinking of a model that cannot", "api.openai.com", "gpt-4.1", llm.Request{Reasoning: llm.Reasoning{Adaptive: true}, Temperature: new(0.5)}, `{"model":"gpt-4.1","temperature":0.5,"store":false,`, []llm.Field{llm.FieldReasoning}},
		{"no thinking of a model that cannot", "api.openai.com", "gpt-4.1", llm.Request{Reasoning: llm.Reasoning{Off: true}}, `{"model":"gpt-4.1","store":false,`, nil},
		{"sampling", "api.openai.com", "gpt-5-mini", llm.Request{Temperature: new(0.0), TopP: new(1.0), Logprobs: true, TopLogprobs: 2}, `{"model":"gpt-5-mini","include":["reasoning.encrypted_content"],"store":false,`,
			[]llm.Field{llm.FieldTemperature, llm.FieldLogprobs}},
		{"none where there is only little", "api.openai.com", "gpt-5", llm.Request{Reasoning: llm.Reasoning{Off: true}}, `"reasoning":{"effort":"minimal"}`, nil},
		{"none where there is none", "api.openai.com", "o3", llm.Request{Reasoning: llm.Reasoning{Off: true}}, `{"model":"o3","include":["reasoning.encrypted_content"],"store":false,`, []llm.Field{llm.FieldReasoning}},
		{"sampling without thinking", "api.openai.com", "gpt-5.2", llm.Request{Reasoning: llm.Reasoning{Off: true}, Temperature: new(0.5)}, `"reasoning":{"effort":"none"},"temperature":0.5`, nil},
		{"Grok", "api.x.ai", "grok-4", llm.Request{Reasoning: llm.Reasoning{Effort: "high"}}, `{"model":"grok-4","include":`, []llm.Field{llm.FieldReasoning}},
		{"a caller of the dialect", "api.openai.com", "gpt-5", llm.Request{Dialect: llm.Responses, Temperature: new(0.5)}, `"temperature":0.5`, nil},
		{"JSON that nobody mentions", "api.openai.com", "gpt-5", llm.Request{Dialect: llm.Gemini, Format: llm.Format{Mode: llm.FormatJSON}}, `"input":[{"type":"message","role":"developer","content":"Answer with a JSON object."},`, nil},
	} {
		tt.in.Messages = say
		body, dropped, err := responses.Dialect{}.EncodeRequest(&tt.in, dialect.Target{Model: tt.model, Host: tt.host})
		if err != nil || !strings.Contains(string(body), tt.want) || !cmp.Equal(dropped, tt.drops, cmpopts.EquateEmpty()) {
			t.Errorf("%s: dropped %v, %v\ngot  %s\nwant %s", tt.name, dropped, err, body, tt.want)
		}
	}
}

func TestPaddingIsNoField(t *testing.T) {
	t.Parallel()
	for options, kept := range map[string]bool{`{"include_obfuscation":false}`: false, `{"include_obfuscation":true,"x":1}`: true} {
		r, err := responses.Dialect{}.DecodeRequest([]byte(`{"model":"m","input":"x","stream_options":`+options+`}`), dialect.At{})
		if err != nil || (r.Extra["stream_options"] != nil) != kept {
			t.Errorf("%s: %v, %v", options, r, err)
		}
	}
}

// Names that other dialects allow become ones that OpenAI takes, the same wherever they stand; its own callers' stay.
func TestToolNames(t *testing.T) {
	t.Parallel()
	name := "files.read"
	for caller, want := range map[string]string{llm.Gemini: llm.ToolName(name), llm.Responses: name} {
		r := llm.Request{Dialect: caller, Tools: []llm.Tool{{Name: name}}, Choice: llm.Choice{Mode: llm.Required, Names: []string{name}},
			Messages: []llm.Message{turn(llm.Assistant, llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "a", Name: name}})}}
		body, _, err := responses.Dialect{}.EncodeRequest(&r, dialect.Target{Model: "m"})
		if err != nil || strings.Count(string(body), `"name":"`+want+`"`) != 3 {
			t.Errorf("%s: %s, %v", caller, body, err)
		}
	}
}
