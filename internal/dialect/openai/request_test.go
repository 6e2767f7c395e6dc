package openai_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func ptr[T any](v T) *T { return &v }

// hi is the shortest conversation.
const hi = `"messages":[{"role":"user","content":"hi"}]`

func decode(t *testing.T, body string) *llm.Request {
	t.Helper()
	r, err := openai.Dialect{}.DecodeRequest([]byte(body), dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// encode writes a request for a host, and says what was dropped.
func encode(t *testing.T, r *llm.Request, target dialect.Target) (string, []llm.Field) {
	t.Helper()
	if target.Model == "" {
		target.Model = "m"
	}
	body, drops, err := openai.Dialect{}.EncodeRequest(r, target)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), drops
}

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	user := []llm.Message{{Role: llm.User, Blocks: []llm.Block{text("hi")}}}
	tests := []struct {
		name, body string
		want       llm.Request
	}{
		{"least", hi, llm.Request{Messages: user}},
		{"scalars", `"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"max_tokens":5,"max_completion_tokens":7,"n":2,"stop":"END","temperature":0.5,"top_p":1,"frequency_penalty":-1,
			"presence_penalty":2,"seed":9007199254740993,"logit_bias":{"1":2},"logprobs":true,"top_logprobs":3,"reasoning_effort":"xhigh","verbosity":"low","modalities":["text","audio"],
			"audio":{"voice":"alloy","format":"wav"},"service_tier":"flex","user":"u","metadata":{"a":"b"},"store":false,"prompt_cache_key":"k","prompt_cache_retention":"24h","prediction":{"type":"content","content":"x"},` + hi,
			llm.Request{Stream: true, IncludeUsage: true, MaxTokens: 7, N: 2, Stop: []string{"END"}, Temperature: ptr(0.5), TopP: ptr(1.0), Frequency: ptr(-1.0), Presence: ptr(2.0), Seed: ptr(int64(9007199254740993)),
				LogitBias: llm.JSON(`{"1":2}`), Logprobs: true, TopLogprobs: 3, Reasoning: llm.Reasoning{Effort: "xhigh"}, Verbosity: "low", Modalities: []string{"text", "audio"},
				AudioOut: llm.AudioOut{Voice: "alloy", Format: "wav"}, ServiceTier: "flex", User: "u", Metadata: map[string]string{"a": "b"}, Store: ptr(false), CacheKey: "k", CacheFor: "24h",
				Prediction: llm.JSON(`{"type":"content","content":"x"}`), Messages: user}},
		{"nulls", `"stop":null,"n":null,"tools":null,"tool_choice":null,"response_format":null,"temperature":null,"logit_bias":null,"stream":null,"metadata":null,"x":null,` + hi, llm.Request{Messages: user}},
		{"of other vendors", `"top_k":4,"min_p":0.1,"repetition_penalty":1.1,"thinking":{"type":"disabled"},"safe_prompt":true,"stop":["a","b"],` + hi,
			llm.Request{TopK: ptr(int64(4)), MinP: ptr(0.1), Repetition: ptr(1.1), Reasoning: llm.Reasoning{Off: true}, Stop: []string{"a", "b"}, Extra: map[string]llm.JSON{"safe_prompt": llm.JSON("true")}, Messages: user}},
		{"OpenRouter's reasoning", `"reasoning":{"max_tokens":2000,"exclude":true},` + hi, llm.Request{Reasoning: llm.Reasoning{Budget: 2000, Summary: "none"}, Messages: user}},
		{"Qwen's", `"enable_thinking":true,"thinking_budget":99,` + hi, llm.Request{Reasoning: llm.Reasoning{Budget: 99}, Messages: user}},
		{"two names of the user", `"user":"u","safety_identifier":"s",` + hi, llm.Request{User: "u", SafetyID: "s", Messages: user}},
		{"JSON schema", `"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":true}},` + hi,
			llm.Request{Format: llm.Format{Mode: llm.FormatSchema, Name: "n", Description: "d", Schema: llm.JSON(`{"type":"object"}`), Strict: ptr(true)}, Messages: user}},
		{"tools", `"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"custom","custom":{"name":"g","format":{"type":"text"}}},{"type":"web_search"}],
			"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}},"web_search_options":{},` + hi,
			llm.Request{Tools: []llm.Tool{{Name: "f", Description: "d", Schema: llm.JSON(`{"type":"object"}`), Strict: ptr(true)}, {Name: "g", Grammar: llm.JSON(`{"type":"text"}`)},
				{Vendor: llm.OpenAI, Type: "web_search", Raw: llm.JSON(`{"type":"web_search"}`)}, {Vendor: llm.OpenAI, Type: "web_search_options", Raw: llm.JSON(`{}`)}},
				Choice: llm.Choice{Mode: llm.Required, Names: []string{"f", "g"}}, Messages: user}},
		{"one tool", `"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false,"tool_choice":{"type":"function","function":{"name":"f"}},` + hi,
			llm.Request{Parallel: ptr(false), Tools: []llm.Tool{{Name: "f"}}, Choice: llm.Choice{Mode: llm.Required, Names: []string{"f"}}, Messages: user}},
		{"functions", `"functions":[{"name":"f"}],"function_call":{"name":"f"},"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}},{"role":"function","name":"f","content":"r"}]`,
			llm.Request{Functions: true, Tools: []llm.Tool{{Name: "f"}}, Choice: llm.Choice{Mode: llm.Required, Names: []string{"f"}}, Messages: []llm.Message{user[0],
				{Role: llm.Assistant, Blocks: []llm.Block{call("call_function_1", "f", `{"a":1}`)}},
				{Role: llm.User, Blocks: []llm.Block{{Kind: llm.ToolResult, Result: &llm.Result{CallID: "call_function_1", Name: "f", Content: []llm.Block{text("r")}}}}}}}},
		{"roles", `"messages":[{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}]},{"role":"user","name":"bo","content":"hi"},{"role":"developer","content":"c"}]`,
			llm.Request{Messages: []llm.Message{{Role: llm.System, Blocks: []llm.Block{text("a"), {Kind: llm.Text, Text: "b", Cache: &llm.Cache{TTL: "1h"}}}},
				{Role: llm.User, Name: "bo", Blocks: []llm.Block{text("hi")}}, {Role: llm.Developer, Blocks: []llm.Block{text("c")}}}}},
		{"parts", `"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"https://e.example/a.png","detail":"low"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
			{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}},{"type":"file","file":{"file_id":"file-1"}},
			{"type":"video_url","video_url":{"url":"https://e.example/a.mp4"}},{"type":"odd","x":1}]}]`,
			llm.Request{Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{text("x"),
				{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, URL: "https://e.example/a.png", Detail: "low"}},
				{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA"}},
				{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, MIMEType: "audio/mpeg", Data: "AAAA"}},
				{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "application/pdf", Data: "AAAA", Name: "a.pdf"}},
				{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, FileID: "file-1", Origin: llm.OpenAI}},
				{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Video, URL: "https://e.example/a.mp4"}},
				{Kind: llm.Opaque, Vendor: llm.OpenAI, Type: "odd", Raw: llm.JSON(`{"type":"odd","x":1}`)}}}}}},
		{"a tool loop", `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"let me","reasoning_content":"hm","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","type":"custom","custom":{"name":"g","input":"in"}}]},
			{"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":[{"type":"text","text":"2"}]},{"role":"user","content":"go on"},{"role":"assistant","content":"","refusal":"no"},{"role":"assistant","audio":{"id":"au"}}]`,
			llm.Request{Messages: []llm.Message{user[0],
				{Role: llm.Assistant, Blocks: []llm.Block{unsigned("hm"), text("let me"), call("a", "f", `{"x":1}`), {Kind: llm.ToolCall, Call: llm.Call{ID: "b", Name: "g", Input: "in", Custom: true}}}},
				{Role: llm.User, Blocks: []llm.Block{{Kind: llm.ToolResult, Result: &llm.Result{CallID: "a", Name: "f", Content: []llm.Block{text("1")}}},
					{Kind: llm.ToolResult, Result: &llm.Result{CallID: "b", Name: "g", Custom: true, Content: []llm.Block{text("2")}}}, text("go on")}},
				{Role: llm.Assistant, Blocks: []llm.Block{{Kind: llm.Refusal, Text: "no"}}},
				{Role: llm.Assistant, Blocks: []llm.Block{{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, FileID: "au", Origin: llm.OpenAI}}}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := decode(t, `{"model":"m",`+tt.body+`}`)
			tt.want.Model, tt.want.Dialect = "m", llm.OpenAI
			if diff := cmp.Diff(&tt.want, got, cmpopts.EquateEmpty(), sameJSON); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// OpenAI takes all of it but for what others have added.
			body, drops := encode(t, got, dialect.Target{Host: "api.openai.com", KeepExtra: true, Stream: got.Stream, Model: "gpt-5.6"})
			if others[tt.name] {
				return
			}
			again := decode(t, body)
			again.Model = "m"
			if diff := cmp.Diff(got, again, cmpopts.EquateEmpty(), sameJSON, cmpopts.IgnoreFields(llm.Request{}, "Functions"), cmpopts.IgnoreFields(llm.Cache{}, "TTL")); diff != "" || len(drops) > 0 {
				t.Errorf("dropped %v, written and read again (-want +got):\n%s", drops, diff)
			}
		})
	}
}

// others are the tests of what OpenAI does not have.
var others = map[string]bool{"of other vendors": true, "Qwen's": true, "OpenRouter's reasoning": true, "parts": true, "a tool loop": true}

func TestDecodeRequestRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, param, code string }{
		{``, "", ""}, {`[]`, "", ""}, {`{"model":"m"`, "", ""}, {"{\"model\":\"\xff\"}", "model", ""},
		{`{` + hi + `}`, "model", "missing_required_parameter"},
		{`{"model":"m"}`, "messages", "missing_required_parameter"},
		{`{"model":"m","messages":[]}`, "messages", "empty_array"},
		{`{"model":"m","model":"n",` + hi + `}`, "model", "duplicate_parameter"},
		{`{"model":"m","messages":"hi"}`, "messages", "invalid_type"},
		{`{"model":"m","messages":[{"role":"user","content":5}]}`, "messages[0].content", "invalid_type"},
		{`{"model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]}`, "messages[0].content[0].type", "missing_required_parameter"},
		{`{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}`, "messages[0].content[0].text", "missing_required_parameter"},
		{`{"model":"m","messages":[{"role":"king","content":"x"}]}`, "messages[0].role", "invalid_value"},
		{`{"model":"m","messages":[{"content":"x"}]}`, "messages[0].role", "missing_required_parameter"},
		{`{"model":"m","messages":[{"role":"tool","content":"x"}]}`, "messages[0].tool_call_id", "missing_required_parameter"},
		{`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://x"}}]}]}`, "messages[0].content[0].image_url.url", "invalid_image_url"},
		{`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%%%"}}]}]}`, "messages[0].content[0].image_url.url", "invalid_image_url"},
		{`{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":""}}]}]}`, "messages[0].content[0].input_audio.data", "invalid_value"},
		{`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function"}]}]}`, "messages[0].tool_calls[0].function.name", "missing_required_parameter"},
		{`{"model":"m","n":0,` + hi + `}`, "n", "integer_below_min_value"},
		{`{"model":"m","max_tokens":1.5,` + hi + `}`, "max_tokens", "invalid_type"},
		{`{"model":"m","temperature":"hot",` + hi + `}`, "temperature", "invalid_type"},
		{`{"model":"m","top_logprobs":21,` + hi + `}`, "top_logprobs", "invalid_value"},
		{`{"model":"m","tool_choice":"perhaps",` + hi + `}`, "tool_choice", "invalid_value"},
		{`{"model":"m","tools":[{"type":"function"}],` + hi + `}`, "tools[0].function", "missing_required_parameter"},
		{`{"model":"m","tools":[{"type":"function","function":{}}],` + hi + `}`, "tools[0].function.name", "missing_required_parameter"},
		{`{"model":"m","response_format":{"type":"xml"},` + hi + `}`, "response_format.type", "invalid_value"},
		{`{"model":"m","response_format":{"type":"json_schema"},` + hi + `}`, "response_format.json_schema", "missing_required_parameter"},
	} {
		_, err := openai.Dialect{}.DecodeRequest([]byte(tt.body), dialect.At{})
		var e *llm.RequestError
		if !errors.As(err, &e) || e.Param != tt.param || e.Code != tt.code || e.Message == "" {
			t.Errorf("%s: %+v, want %s of %q", tt.body, err, tt.code, tt.param)
		}
	}
}

// What each vendor takes in its own spelling, and what it does not take.
func TestEncodeRequestForVendors(t *testing.T) {
	t.Parallel()
	said := []llm.Message{{Role: llm.User, Blocks: []llm.Block{text("hi")}}}
	const m = `"messages":[{"role":"user","content":"hi"}]`
	think := func(r llm.Reasoning) llm.Request { return llm.Request{Reasoning: r, Messages: said} }
	tests := []struct {
		host, model string
		in          llm.Request
		want        string // behind the model
		drops       []llm.Field
	}{
		{"api.openai.com", "m", llm.Request{MaxTokens: 5, Messages: said}, m + `,"max_completion_tokens":5`, nil},
		{"x.openai.azure.com", "m", llm.Request{MaxTokens: 5, Messages: said}, m + `,"max_completion_tokens":5`, nil},
		{"notapi.openai.com.example", "m", llm.Request{MaxTokens: 5, Messages: said}, m + `,"max_tokens":5`, nil},
		{"api.openai.com", "m", llm.Request{TopK: ptr(int64(1)), MinP: ptr(1.0), Repetition: ptr(1.0), Messages: said}, m, []llm.Field{llm.FieldTopK, llm.FieldMinP, llm.FieldRepetition}},
		{"vllm.example", "m", llm.Request{TopK: ptr(int64(1)), Messages: said}, m + `,"top_k":1`, nil},
		{"api.openai.com", "gpt-5", think(llm.Reasoning{Budget: 9000}), m + `,"reasoning_effort":"high"`, nil},
		{"api.openai.com", "gpt-4o", think(llm.Reasoning{Budget: 9000}), m, []llm.Field{llm.FieldReasoning}},
		{"api.openai.com", "gpt-5", think(llm.Reasoning{Budget: llm.Dynamic, Summary: "auto"}), m, []llm.Field{llm.FieldSummary}},
		{"api.openai.com", "gpt-5", think(llm.Reasoning{Off: true}), m + `,"reasoning_effort":"minimal"`, nil},
		{"api.openai.com", "gpt-5.2", think(llm.Reasoning{Effort: "none", Off: true}), m + `,"reasoning_effort":"none"`, nil},
		{"api.openai.com", "o3", think(llm.Reasoning{Off: true}), m, []llm.Field{llm.FieldReasoning}},
		{"api.openai.com", "gpt-5.2", think(llm.Reasoning{Effort: "max"}), m + `,"reasoning_effort":"xhigh"`, nil},
		{"api.openai.com", "gpt-5.1", think(llm.Reasoning{Effort: "minimal"}), m + `,"reasoning_effort":"low"`, nil},
		{"api.x.ai", "grok-4-0709", think(llm.Reasoning{Effort: "high"}), m, []llm.Field{llm.FieldReasoning}},
		{"api.x.ai", "grok-4.5", think(llm.Reasoning{Effort: "high"}), m + `,"reasoning_effort":"high"`, nil},
		{"api.x.ai", "grok-4-fast-reasoning", llm.Request{Stop: []string{"x"}, Presence: ptr(0.1), Frequency: ptr(0.1), Temperature: ptr(0.5), Messages: said}, m + `,"temperature":0.5`,
			[]llm.Field{llm.FieldStop, llm.FieldFrequency, llm.FieldPresence}},
		{"api.x.ai", "grok-4-1-fast-non-reasoning", llm.Request{Stop: []string{"x"}, Messages: said}, m + `,"stop":["x"]`, nil},
		{"api.openai.com", "gpt-5-mini", llm.Request{Temperature: ptr(0.0), TopP: ptr(0.5), Stop: []string{"x"}, Logprobs: true, Messages: said}, m,
			[]llm.Field{llm.FieldStop, llm.FieldTemperature, llm.FieldTopP, llm.FieldLogprobs}},
		{"api.openai.com", "gpt-5-mini", llm.Request{Temperature: ptr(1.0), TopP: ptr(1.0), Presence: ptr(0.0), Messages: said}, m, nil},
		{"api.openai.com", "gpt-5.2", llm.Request{Temperature: ptr(0.5), Messages: said}, m + `,"temperature":0.5`, nil},
		{"api.openai.com", "gpt-5.2", llm.Request{Temperature: ptr(0.5), Reasoning: llm.Reasoning{Effort: "low"}, Messages: said}, m + `,"reasoning_effort":"low"`, []llm.Field{llm.FieldTemperature}},
		{"api.openai.com", "gpt-4.1", llm.Request{Temperature: ptr(0.5), Stop: []string{"x"}, Messages: said}, m + `,"stop":["x"],"temperature":0.5`, nil},
		{"deployed.openai.azure.com", "mine", llm.Request{Temperature: ptr(0.5), Messages: said}, m + `,"temperature":0.5`, nil},
		{"openrouter.ai", "m", think(llm.Reasoning{Budget: 9000, Summary: "none"}), m + `,"reasoning":{"max_tokens":9000,"exclude":true}`, nil},
		{"openrouter.ai", "m", think(llm.Reasoning{Effort: "low"}), m + `,"reasoning":{"effort":"low"}`, nil},
		{"openrouter.ai", "m", think(llm.Reasoning{Adaptive: true}), m + `,"reasoning":{"enabled":true}`, nil},
		{"openrouter.ai", "m", think(llm.Reasoning{Off: true}), m + `,"reasoning":{"effort":"none"}`, nil},
		{"api.deepseek.com", "m", think(llm.Reasoning{Budget: 500}), m + `,"reasoning_effort":"low","thinking":{"type":"enabled"}`, nil},
		{"api.deepseek.com", "m", think(llm.Reasoning{Off: true}), m + `,"thinking":{"type":"disabled"}`, nil},
		{"api.z.ai", "m", think(llm.Reasoning{Effort: "high"}), m + `,"thinking":{"type":"enabled"}`, nil},
		{"api.moonshot.cn", "m", think(llm.Reasoning{Off: true}), m + `,"thinking":{"type":"disabled"}`, nil},
		{"dashscope-intl.aliyuncs.com", "m", think(llm.Reasoning{Effort: "medium"}), m + `,"enable_thinking":true,"thinking_budget":8192`, nil},
		{"dashscope.aliyuncs.com", "m", think(llm.Reasoning{Off: true}), m + `,"enable_thinking":false`, nil},
		{"api.mistral.ai", "m", llm.Request{Seed: ptr(int64(3)), User: "u", Store: ptr(false), IncludeUsage: true, Messages: said}, m + `,"random_seed":3`, []llm.Field{llm.FieldUser}},
		{"api.groq.com", "m", llm.Request{LogitBias: llm.JSON(`{}`), Store: ptr(true), Messages: said}, m, []llm.Field{llm.FieldLogitBias, llm.FieldStore}},
		{"api.deepseek.com", "m", llm.Request{Format: llm.Format{Mode: llm.FormatSchema, Schema: llm.JSON(`{"type":"object"}`), Strict: ptr(true)}, Messages: said},
			`"messages":[{"role":"system","content":"Answer with a JSON object that satisfies this JSON schema, and nothing else:\n{\"type\":\"object\"}"},{"role":"user","content":"hi"}],"response_format":{"type":"json_object"}`, []llm.Field{llm.FieldFormat}},
		{"api.openai.com", "m", llm.Request{Format: llm.Format{Mode: llm.FormatJSON}, Messages: said},
			`"messages":[{"role":"system","content":"Answer with a JSON object."},{"role":"user","content":"hi"}],"response_format":{"type":"json_object"}`, nil},
		{"api.openai.com", "m", llm.Request{ServiceTier: "standard_only", Modalities: []string{"text", "image"}, Messages: said}, m + `,"service_tier":"default"`, []llm.Field{llm.FieldModalities}},
		{"api.openai.com", "m", llm.Request{Truncation: "auto", Include: []string{"reasoning.encrypted_content", "x"}, Safety: llm.JSON("[]"), ContextEdits: llm.JSON("{}"), Messages: said}, m,
			[]llm.Field{llm.FieldTruncation, llm.FieldInclude, llm.FieldSafety, llm.FieldContextEdits}},
		{"api.openai.com", "m", llm.Request{CacheAll: &llm.Cache{}, Messages: said}, m, []llm.Field{llm.FieldCache}},
		{"api.openai.com", "m", llm.Request{User: "u", SafetyID: "s", Messages: said}, m + `,"user":"u","safety_identifier":"s"`, nil},
		{"relay.example", "m", llm.Request{SafetyID: "s", Messages: said}, m + `,"safety_identifier":"s"`, nil},
		{"api.groq.com", "m", llm.Request{SafetyID: "s", Messages: said}, m + `,"user":"s"`, nil},
		{"api.groq.com", "m", llm.Request{User: "u", SafetyID: "s", Messages: said}, m + `,"user":"u"`, []llm.Field{llm.FieldSafetyID}},
		{"api.mistral.ai", "m", llm.Request{SafetyID: "s", Messages: said}, m, []llm.Field{llm.FieldSafetyID}},
		{"openrouter.ai", "m", llm.Request{CacheAll: &llm.Cache{}, Messages: said}, m + `,"cache_control":{"type":"ephemeral"}`, nil},
	}
	for _, tt := range tests {
		got, drops := encode(t, &tt.in, dialect.Target{Host: tt.host, Model: tt.model})
		if want := `{"model":"` + tt.model + `",` + tt.want + `}`; got != want || !cmp.Equal(drops, tt.drops, cmpopts.EquateEmpty()) {
			t.Errorf("%s:\ngot  %s, dropped %v\nwant %s, %v", tt.host, got, drops, want, tt.drops)
		}
	}
}

func TestEncodeMessages(t *testing.T) {
	t.Parallel()
	picture := llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA"}}
	result := func(id string, bad bool, content ...llm.Block) llm.Block {
		return llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: id, Name: "f", IsError: bad, Content: content}}
	}
	tests := []struct {
		name, host string
		role       llm.Role
		blocks     []llm.Block
		want       string
		drops      []llm.Field
	}{
		{"developer at OpenAI", "api.openai.com", llm.Developer, []llm.Block{text("a"), text("b")}, `{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`, nil},
		{"developer elsewhere", "api.deepseek.com", llm.Developer, []llm.Block{text("a"), text("b")}, `{"role":"system","content":"a\n\nb"}`, nil},
		{"cache at OpenRouter", "openrouter.ai", llm.System, []llm.Block{{Kind: llm.Text, Text: "a", Cache: &llm.Cache{TTL: "1h"}}}, `{"role":"system","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]}`, nil},
		{"cache elsewhere", "api.openai.com", llm.System, []llm.Block{{Kind: llm.Text, Text: "a", Cache: &llm.Cache{}}}, `{"role":"system","content":"a"}`, []llm.Field{llm.FieldCache}},
		{"results, an error and a picture", "api.openai.com", llm.User, []llm.Block{result("a", true, text("bad")), result("b", false, picture), text("go on")},
			`{"role":"tool","content":"Error: bad","tool_call_id":"a"},{"role":"tool","content":"What it returned follows in the next message.","tool_call_id":"b"},` +
				`{"role":"user","content":[{"type":"text","text":"What f returned (tool call b):"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"text","text":"go on"}]}`, nil},
		{"an empty result", "api.openai.com", llm.User, []llm.Block{result("a", false), result("b", true)}, `{"role":"tool","content":"","tool_call_id":"a"},{"role":"tool","content":"Error","tool_call_id":"b"}`, nil},
		{"no arguments", "api.openai.com", llm.Assistant, []llm.Block{call("a", "f", "")}, `{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}`, nil},
		{"long id", "api.openai.com", llm.Assistant, []llm.Block{call(strings.Repeat("a", 41), "f", "1")}, `{"role":"assistant","content":null,"tool_calls":[{"id":"call_ID","type":"function","function":{"name":"f","arguments":"1"}}]}`, nil},
		{"Mistral's ids", "api.mistral.ai", llm.Assistant, []llm.Block{call("abcDEF123", "f", "1"), call("call_1", "f", "1")},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"1"}},{"id":"SHORT","type":"function","function":{"name":"f","arguments":"1"}}]}`, nil},
		{"custom call at Mistral", "api.mistral.ai", llm.Assistant, []llm.Block{{Kind: llm.ToolCall, Call: llm.Call{ID: "abcDEF123", Name: "f", Input: "x\"", Custom: true}}},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"{\"input\":\"x\\\"\"}"}}]}`, nil},
		{"thinking at DeepSeek", "api.deepseek.com", llm.Assistant, []llm.Block{unsigned("hm"), call("a", "f", "1")},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"1"}}],"reasoning_content":"hm"}`, nil},
		{"another's thinking at DeepSeek", "api.deepseek.com", llm.Assistant, []llm.Block{{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Anthropic, Data: "s"}}, text("a")},
			`{"role":"assistant","content":"a","reasoning_content":"hm"}`, []llm.Field{llm.FieldThinking}},
		{"thinking at OpenAI", "api.openai.com", llm.Assistant, []llm.Block{unsigned("hm"), text("a")}, `{"role":"assistant","content":"a"}`, []llm.Field{llm.FieldThinking}},
		{"another's thinking at a stranger", "vllm.example", llm.Assistant, []llm.Block{{Kind: llm.Thinking, State: llm.State{Origin: llm.Gemini, Data: "s"}}, text("a")}, `{"role":"assistant","content":"a"}`, []llm.Field{llm.FieldThinking}},
		{"thinking at GLM", "api.z.ai", llm.Assistant, []llm.Block{unsigned("hm"), text("a")}, `{"role":"assistant","content":"a","reasoning_content":"hm"}],"thinking":{"type":"enabled","clear_thinking":false}`, nil},
		{"a signed call", "generativelanguage.googleapis.com", llm.Assistant, []llm.Block{{Kind: llm.ToolCall, Call: llm.Call{ID: "a", Name: "f", Input: "1"}, State: llm.State{Origin: llm.OpenAI, Data: `{"google":{}}`}}},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"1"},"extra_content":{"google":{}}}]}`, nil},
		{"citations", "api.openai.com", llm.Assistant, []llm.Block{{Kind: llm.Text, Text: "a", Citations: []llm.Citation{{URL: "x"}}}}, `{"role":"assistant","content":"a"}`, []llm.Field{llm.FieldCitations}},
		{"another vendor's block", "api.openai.com", llm.Assistant, []llm.Block{text("a"), {Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "server_tool_use", Raw: llm.JSON("{}")}}, `{"role":"assistant","content":[{"type":"text","text":"a"}]}`,
			[]llm.Field{llm.FieldVendorBlock.With("server_tool_use")}},
		{"files by id", "api.openai.com", llm.User, []llm.Block{text("x"), {Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, FileID: "file-1", Origin: llm.Responses}},
			{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, FileID: "file-2", Origin: llm.Responses}}},
			`{"role":"user","content":[{"type":"text","text":"x"},{"type":"file","file":{"file_id":"file-1"}}]}`, []llm.Field{llm.FieldFile}},
		{"files", "api.openai.com", llm.User, []llm.Block{text("x"), {Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "application/pdf", Data: "AAAA"}},
			{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, Text: "plain", Name: "a.txt"}},
			{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, URL: "https://e.example/a.pdf"}},
			{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, FileID: "f", Origin: llm.Anthropic}},
			{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, MIMEType: "audio/ogg", Data: "AAAA"}},
			{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Video, URL: "https://e.example/a.mp4"}}},
			`{"role":"user","content":[{"type":"text","text":"x"},{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"document.pdf"}},{"type":"text","text":"a.txt\n\nplain"}]}`,
			[]llm.Field{llm.FieldDocument, llm.FieldFile, llm.FieldAudio, llm.FieldVideo}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, drops := encode(t, &llm.Request{Messages: []llm.Message{{Role: tt.role, Blocks: tt.blocks}}}, dialect.Target{Host: tt.host})
			if i := strings.Index(got, `"call_`); i > 0 && strings.Contains(tt.want, "call_ID") {
				got = got[:i] + `"call_ID` + got[i+len(`"call_`)+32:]
			}
			if i := strings.LastIndex(got, `"id":"`) + 6; strings.Contains(tt.want, "SHORT") {
				got = got[:i] + "SHORT" + got[i+9:]
			}
			if !strings.Contains(tt.want, "],\"thinking\"") {
				tt.want += "]"
			}
			if want := `{"model":"m","messages":[` + tt.want + `}`; got != want || !cmp.Equal(drops, tt.drops, cmpopts.EquateEmpty()) {
				t.Errorf("got  %s, dropped %v\nwant %s, %v", got, drops, want, tt.drops)
			}
		})
	}
}

// OpenAI's own cache markers are for its newer models.
func TestCacheBreakpoints(t *testing.T) {
	t.Parallel()
	r := &llm.Request{Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "a", Cache: &llm.Cache{}}}}}}
	for model, want := range map[string]bool{"gpt-5.6": true, "gpt-5.6-mini": true, "gpt-5.10": true, "gpt-6": true, "gpt-5": false, "gpt-5-mini": false, "gpt-5.1": false, "gpt-4.1": false, "gpt-4.9": false, "o3": false} {
		got, drops := encode(t, r, dialect.Target{Host: "api.openai.com", Model: model})
		if strings.Contains(got, `"prompt_cache_breakpoint":{"mode":"explicit"}`) != want || (len(drops) == 0) != want {
			t.Errorf("%s: %s, dropped %v", model, got, drops)
		}
	}
}

func TestEncodeTools(t *testing.T) {
	t.Parallel()
	f, g := llm.Tool{Name: "f", Schema: llm.JSON(`{}`)}, llm.Tool{Name: "g", Grammar: llm.JSON(`{}`)}
	const wf, wg = `{"type":"function","function":{"name":"f","parameters":{}}}`, `{"type":"custom","custom":{"name":"g"}}`
	const wrapped = `{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}}`
	for _, tt := range []struct {
		name, host string
		tools      []llm.Tool
		choice     llm.Choice
		want       string
		drops      []llm.Field
	}{
		{"auto", "api.openai.com", []llm.Tool{f}, llm.Choice{Mode: llm.Auto}, `"tools":[` + wf + `],"tool_choice":"auto"`, nil},
		{"one custom", "api.openai.com", []llm.Tool{f, g}, llm.Choice{Mode: llm.Required, Names: []string{"g"}}, `"tools":[` + wf + `,` + wg + `],"tool_choice":{"type":"custom","custom":{"name":"g"}}`, nil},
		{"allowed", "api.openai.com", []llm.Tool{f, g}, llm.Choice{Mode: llm.Auto, Names: []string{"f", "g"}},
			`"tools":[` + wf + `,` + wg + `],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}}`, nil},
		{"allowed elsewhere", "vllm.example", []llm.Tool{f, g}, llm.Choice{Mode: llm.Auto, Names: []string{"f"}}, `"tools":[` + wf + `],"tool_choice":"auto"`, nil},
		{"custom at Mistral", "api.mistral.ai", []llm.Tool{g}, llm.Choice{Mode: llm.Required, Names: []string{"g"}}, `"tools":[` + wrapped + `],"tool_choice":{"type":"function","function":{"name":"g"}}`, nil},
		{"a grammar at Groq", "api.groq.com", []llm.Tool{{Name: "g", Description: "d", Grammar: llm.JSON(`{"type":"grammar","syntax":"lark","definition":"start: A"}`)}}, llm.Choice{},
			`"tools":[{"type":"function","function":{"name":"g","description":"d\n\nThe input must follow this lark grammar:\nstart: A","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}}]`,
			[]llm.Field{llm.FieldCustomTool}},
		{"a grammar of Responses", "api.openai.com", []llm.Tool{{Name: "g", Grammar: llm.JSON(`{"type":"grammar","syntax":"lark","definition":"start: A"}`)}}, llm.Choice{},
			`"tools":[{"type":"custom","custom":{"name":"g","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: A"}}}}]`, nil},
		{"no parameters at Mistral", "api.mistral.ai", []llm.Tool{{Name: "f"}}, llm.Choice{}, `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]`, nil},
		{"another's search", "api.openai.com", []llm.Tool{f, {Vendor: llm.Anthropic, Type: "web_search_20250305", Raw: llm.JSON("{}")}}, llm.Choice{}, `"tools":[` + wf + `]`, []llm.Field{llm.FieldVendorTool.With("web_search_20250305")}},
	} {
		got, drops := encode(t, &llm.Request{Tools: tt.tools, Choice: tt.choice}, dialect.Target{Host: tt.host})
		want := `{"model":"m"}`
		if tt.want != "" {
			want = `{"model":"m",` + tt.want + `}`
		}
		if got != want || !cmp.Equal(drops, tt.drops, cmpopts.EquateEmpty()) {
			t.Errorf("%s:\ngot  %s, dropped %v\nwant %s, %v", tt.name, got, drops, want, tt.drops)
		}
	}
}

// A tool and thinking at once: OpenAI's newer models refuse that here, even where only the model's habit asks for thinking.
func TestEffortWithTools(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		caller, model, effort, want string
		drops                       []llm.Field
	}{
		{llm.Anthropic, "gpt-5.6-terra", "high", `,"reasoning_effort":"none"`, []llm.Field{llm.FieldReasoning}},
		{llm.Anthropic, "gpt-5.6", "", `,"reasoning_effort":"none"`, nil},
		{llm.Anthropic, "gpt-5.4", "", ``, nil},
		{llm.Anthropic, "gpt-5.4", "low", `,"reasoning_effort":"none"`, []llm.Field{llm.FieldReasoning}},
		{llm.Anthropic, "gpt-5.2", "low", `,"reasoning_effort":"low"`, nil},
		{llm.OpenAI, "gpt-5.6", "high", `,"reasoning_effort":"high"`, nil},
	} {
		r := llm.Request{Dialect: tt.caller, Tools: []llm.Tool{{Name: "f", Schema: llm.JSON("{}")}}, Reasoning: llm.Reasoning{Effort: tt.effort}}
		got, drops := encode(t, &r, dialect.Target{Host: "api.openai.com", Model: tt.model})
		want := `{"model":"` + tt.model + `","tools":[{"type":"function","function":{"name":"f","parameters":{}}}]` + tt.want + `}`
		if got != want || !cmp.Equal(drops, tt.drops, cmpopts.EquateEmpty()) {
			t.Errorf("%s at %s:\ngot  %s, dropped %v\nwant %s, %v", tt.caller, tt.model, got, drops, want, tt.drops)
		}
	}
}

// Mistral refuses who speaks out of turn: a user right after a tool, a system message later on, a last word of the model's.
func TestMistralOrder(t *testing.T) {
	t.Parallel()
	r := llm.Request{Messages: []llm.Message{
		{Role: llm.System, Blocks: []llm.Block{text("be brief")}},
		{Role: llm.User, Name: "bob", Blocks: []llm.Block{text("go")}},
		{Role: llm.Assistant, Blocks: []llm.Block{call("abcDEF123", "f", "1")}},
		{Role: llm.User, Blocks: []llm.Block{{Kind: llm.ToolResult, Result: &llm.Result{CallID: "abcDEF123", Content: []llm.Block{text("2")}}}, text("and?")}},
		{Role: llm.System, Blocks: []llm.Block{text("hurry")}},
		{Role: llm.Assistant, Blocks: []llm.Block{{Kind: llm.Refusal, Text: "No"}}},
	}}
	got, drops := encode(t, &r, dialect.Target{Host: "api.mistral.ai"})
	want := `{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"go"},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"1"}}]},` +
		`{"role":"tool","content":"2","tool_call_id":"abcDEF123"},{"role":"assistant","content":"Understood."},{"role":"user","content":"and?"},` +
		`{"role":"user","content":"<system>\nhurry\n</system>"},{"role":"assistant","content":"No","prefix":true}]}`
	if got != want || !cmp.Equal(drops, []llm.Field{llm.FieldName}) {
		t.Errorf("dropped %v\ngot  %s\nwant %s", drops, got, want)
	}
}

func TestExtraFields(t *testing.T) {
	t.Parallel()
	r := decode(t, `{"model":"m","x":{"a":1},"messages":[{"role":"user","content":"hi","y":1}]}`)
	r.Extra["messages"] = llm.JSON("[]") // as a caller of another dialect might have
	got, drops := encode(t, r, dialect.Target{Host: "vllm.example", KeepExtra: true, Stream: true, AskUsage: true})
	if want := `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true},"x":{"a":1}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if want := []llm.Field{llm.FieldExtra.With("messages"), llm.FieldExtra.With("messages.y")}; !cmp.Equal(drops, want) {
		t.Errorf("dropped %v", drops)
	}
	if _, drops = encode(t, r, dialect.Target{}); len(drops) != 3 {
		t.Errorf("dropped %v", drops)
	}
	for f, want := range map[llm.Field]string{llm.FieldExtra.With("a.b"): "a.b", llm.FieldReasoning: "reasoning_effort", llm.FieldTopK: "top_k",
		llm.FieldVendorTool.With("web_search"): "tools.web_search", llm.FieldVendorTool.With("web_search_options"): "web_search_options"} {
		if got := (openai.Dialect{}).FieldName(f); got != want {
			t.Errorf("%s is called %s", f, got)
		}
	}
	var e *llm.RequestError
	if _, _, err := (openai.Dialect{}).EncodeRequest(&llm.Request{Previous: "resp_1"}, dialect.Target{}); !errors.As(err, &e) || e.Param != string(llm.FieldPrevious) {
		t.Errorf("a conversation that is kept elsewhere: %v", err)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(`{"model":"m",` + hi + `}`)
	f.Add(`{"model":"m","tools":[{"type":"custom","custom":{"name":"g"}}],"tool_choice":{"type":"custom","custom":{"name":"g"}},"messages":[{"role":"assistant","reasoning_details":[{"type":"reasoning.text","text":"x","signature":"_aih1_W10"}],"tool_calls":[{"id":"a_aih1_W10","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":[{"type":"image_url","image_url":"data:,x"}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := openai.Dialect{}.DecodeRequest([]byte(body), dialect.At{})
		if err != nil {
			var e *llm.RequestError
			if !errors.As(err, &e) || e.Message == "" {
				t.Fatalf("%v is no llm.RequestError", err)
			}
			return
		}
		for _, host := range []string{"api.openai.com", "openrouter.ai", "api.mistral.ai"} {
			out, _, err := openai.Dialect{}.EncodeRequest(r, dialect.Target{Model: "m", Host: host})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (openai.Dialect{}).DecodeRequest(out, dialect.At{}); err != nil && len(r.Messages) > 0 && strings.Contains(string(out), `"messages"`) {
				t.Fatalf("%s: %v", out, err)
			}
		}
	})
}

// Names that other dialects allow become ones that OpenAI takes, the same wherever they stand.
func TestToolNames(t *testing.T) {
	t.Parallel()
	name := "files.read"
	plain := llm.ToolName(name)
	r := llm.Request{Tools: []llm.Tool{{Name: name, Schema: llm.JSON("{}")}}, Choice: llm.Choice{Mode: llm.Required, Names: []string{name}},
		Messages: []llm.Message{{Role: llm.Assistant, Blocks: []llm.Block{call("a", name, "1")}}}}
	got, _ := encode(t, &r, dialect.Target{Host: "api.openai.com"})
	if strings.Contains(got, name) || strings.Count(got, `"name":"`+plain+`"`) != 3 {
		t.Errorf("%s", got)
	}
}
