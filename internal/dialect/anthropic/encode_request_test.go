package anthropic_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"
)

func text(s string) llm.Block { return llm.Block{Kind: llm.Text, Text: s} }

func say(role llm.Role, blocks ...llm.Block) llm.Message {
	return llm.Message{Role: role, Blocks: blocks}
}

func call(id, name, input string) llm.Block {
	return llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: id, Name: name, Input: input}}
}

func result(id string, blocks ...llm.Block) llm.Block {
	return llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: id, Name: "f", Content: blocks}}
}

func ptr[T any](v T) *T { return &v }

// conversation is a request with just messages, encoded for a model that takes all that is old.
func TestEncodeMessages(t *testing.T) {
	t.Parallel()
	tool := []llm.Tool{{Name: "f"}}
	const tools = `,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]`
	own := llm.State{Origin: llm.Anthropic, Data: "sig"}
	tests := []struct {
		name     string
		messages []llm.Message
		tools    []llm.Tool
		want     string // what follows max_tokens
		dropped  string
	}{
		{"system and developer at the head", []llm.Message{say(llm.System, text("a")), say(llm.Developer, text("b")), say(llm.User, text("hi"))}, nil,
			`"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`, "[]"},
		{"system in between", []llm.Message{say(llm.User, text("hi")), say(llm.System, text("be brief"))}, nil,
			`"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"text","text":"<system>\nbe brief\n</system>"}]}]`, "[]"},
		{"only system", []llm.Message{say(llm.System, text("a"))}, nil, `"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]`, "[]"},
		{"neighbours merge, empty texts go", []llm.Message{say(llm.User, text("a"), text(" \n")), say(llm.Assistant, text("")), say(llm.User, text("b"))}, nil,
			`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`, "[]"},
		{"prefill", []llm.Message{say(llm.User, text("a")), say(llm.Assistant, text("b \n"))}, nil,
			`"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"text","text":"b"}]}]`, "[]"},
		{"assistant first", []llm.Message{say(llm.Assistant, text("b")), say(llm.User, text("a"))}, nil,
			`"messages":[{"role":"user","content":[{"type":"text","text":"(The conversation begins.)"}]},{"role":"assistant","content":[{"type":"text","text":"b"}]},{"role":"user","content":[{"type":"text","text":"a"}]}]`, "[]"},
		{"results first, late ones moved, missing ones made up", []llm.Message{
			say(llm.User, text("q")), say(llm.Assistant, call("1", "f", `{"a":1}`), call("2", "f", ""), call("3", "f", "no json")),
			say(llm.User, text("wait"), result("2", text("two"))), say(llm.User, result("1", text("one")))}, tool,
			`"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[
				{"type":"tool_use","id":"1","name":"f","input":{"a":1}},{"type":"tool_use","id":"2","name":"f","input":{}},{"type":"tool_use","id":"3","name":"f","input":{"invalid_json":"no json"}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"one"}]},{"type":"tool_result","tool_use_id":"2","content":[{"type":"text","text":"two"}]},
				{"type":"tool_result","tool_use_id":"3","content":[{"type":"text","text":"The tool gave no result."}],"is_error":true},{"type":"text","text":"wait"}]}]` + tools, "[]"},
		{"calls at the end, odd and repeated ids", []llm.Message{say(llm.User, text("q")), say(llm.Assistant, call("f:0", "f", "")), say(llm.User, result("f:0", text("r"))), say(llm.Assistant, call("f:0", "f", ""))}, tool,
			`"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"tool_use","id":"f_0","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"f_0","content":[{"type":"text","text":"r"}]}]},
			{"role":"assistant","content":[{"type":"tool_use","id":"f_0_2","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"f_0_2","content":[{"type":"text","text":"The tool gave no result."}],"is_error":true}]}]` + tools, "[]"},
		{"a result without a call", []llm.Message{say(llm.User, result("9", text("r")))}, nil,
			`"messages":[{"role":"user","content":[{"type":"text","text":"Result of f:"},{"type":"text","text":"r"}]}]`, "[]"},
		{"a result without a call, of what cannot be written", []llm.Message{say(llm.User, result("9", llm.Block{Kind: llm.Opaque, Vendor: llm.Gemini, Type: "executableCode"}, text("r"),
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, Data: "AAAA"}}))}, nil,
			`"messages":[{"role":"user","content":[{"type":"text","text":"Result of f:"},{"type":"text","text":"r"}]}]`, "[result.media]"},
		{"calls without tools", []llm.Message{say(llm.User, text("q")), say(llm.Assistant, call("1", "f", "")), say(llm.User, result("1"))}, nil,
			`"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]}]` + tools + `,"tool_choice":{"type":"none"}`, "[]"},
		{"an error with a picture", []llm.Message{say(llm.User, text("q")), say(llm.Assistant, call("1", "f", "")), say(llm.User, llm.Block{Kind: llm.ToolResult, Cache: &llm.Cache{}, Result: &llm.Result{CallID: "1", IsError: true,
			Content: []llm.Block{{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, Data: "iVBORw0KGgo="}}, {Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, Data: "AAAA"}}}}})}, tool,
			`"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}],"is_error":true,"cache_control":{"type":"ephemeral"}}]}]` + tools, "[result.media]"},
		{"thinking", []llm.Message{say(llm.User, text("q")), say(llm.Assistant, llm.Block{Kind: llm.Thinking, Text: "hm", State: own},
			llm.Block{Kind: llm.Thinking, State: llm.State{Origin: llm.Anthropic, Data: "xx", Redacted: true}}, llm.Block{Kind: llm.Thinking, Text: "so", State: llm.State{Origin: llm.Gemini, Data: "ts"}}, text("a")), say(llm.User, text("r"))}, nil,
			`"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"redacted_thinking","data":"xx"},{"type":"text","text":"a"}]},{"role":"user","content":[{"type":"text","text":"r"}]}]`, "[thinking]"},
		{"media", []llm.Message{say(llm.User,
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/jpg", Data: "AAAA", Detail: "low"}, Cache: &llm.Cache{TTL: "1h"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, URL: "https://example.com/a.png"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "application/pdf", Data: "JVBERi0=", Name: "a.pdf"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "text/csv", Data: "YSxi", Context: "c", Cite: true}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, URL: "https://example.com/a.pdf"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, FileID: "file_1", Origin: llm.Anthropic}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, FileID: "file-2", Origin: llm.OpenAI}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/tiff", Data: "AAAA"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, URL: "gs://bucket/a.png"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Video, URL: "https://example.com/a.mp4"}},
			llm.Block{Kind: llm.Opaque, Vendor: llm.Responses, Type: "item_reference"})}, nil,
			`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAAA"},"cache_control":{"type":"ephemeral","ttl":"1h"}},
			{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},
			{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"a.pdf"},
			{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a,b"},"context":"c","citations":{"enabled":true}},
			{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}},
			{"type":"image","source":{"type":"file","file_id":"file_1"}}]}]`, "[file image image.url video block.vendor:item_reference image.detail]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, dropped := encode(t, &llm.Request{Messages: tt.messages, Tools: tt.tools}, dialect.Target{Model: "claude-sonnet-4-5"})
			same(t, `{"model":"claude-sonnet-4-5","max_tokens":32000,`+tt.want+`}`, got)
			if dropped != tt.dropped {
				t.Errorf("dropped %s, want %s", dropped, tt.dropped)
			}
		})
	}
}

func TestEncodeParameters(t *testing.T) {
	t.Parallel()
	const hi = `"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
	const f = `"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]`
	tool := []llm.Tool{{Name: "f"}}
	object := llm.JSON(`{"type":"object","properties":{"b":{"type":"integer","minimum":1},"a":{"type":"array","items":{"type":"object","properties":{}}}},"required":["b"]}`)
	const closed = `{"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"array","items":{"type":"object","properties":{},"additionalProperties":false}}},"required":["b"],"additionalProperties":false}`
	const answer = `"tools":[{"name":"aih_answer_json","description":"Gives the answer. Call it once, with the whole answer, as soon as no other tool is needed.","input_schema":`
	tests := []struct {
		name, model string
		r           llm.Request
		want        string
		dropped     string
	}{
		{"limit of the caller", "claude-3-opus", llm.Request{MaxTokens: 7}, `"max_tokens":7,` + hi, "[]"},
		{"temperature too high", "claude-3-opus", llm.Request{Temperature: ptr(1.5), TopK: ptr(int64(5))}, `"max_tokens":4096,` + hi + `,"temperature":1,"top_k":5`, "[temperature]"},
		{"temperature or top_p", "claude-sonnet-4-5", llm.Request{Temperature: ptr(0.5), TopP: ptr(0.9)}, `"max_tokens":32000,` + hi + `,"temperature":0.5`, "[top_p]"},
		{"no sampling any more", "claude-opus-4-7", llm.Request{Temperature: ptr(0.5), TopP: ptr(1.0), TopK: ptr(int64(5))}, `"max_tokens":32000,` + hi, "[temperature top_k]"},
		{"stop", "claude-3-opus", llm.Request{Stop: []string{"a", "\n"}}, `"max_tokens":4096,` + hi + `,"stop_sequences":["a"]`, "[stop]"},
		{"budget", "claude-sonnet-4-5", llm.Request{MaxTokens: 9000, Reasoning: llm.Reasoning{Budget: 2000}, Temperature: ptr(0.5)}, `"max_tokens":9000,` + hi + `,"thinking":{"type":"enabled","budget_tokens":2000}`, "[temperature]"},
		{"budget above the limit", "claude-sonnet-4-5", llm.Request{MaxTokens: 5000, Reasoning: llm.Reasoning{Effort: "high"}}, `"max_tokens":5000,` + hi + `,"thinking":{"type":"enabled","budget_tokens":4000}`, "[]"},
		{"no room for a budget", "claude-sonnet-4-5", llm.Request{MaxTokens: 1000, Reasoning: llm.Reasoning{Effort: "low"}}, `"max_tokens":1000,` + hi, "[reasoning]"},
		{"budget without a limit", "claude-sonnet-4-5", llm.Request{Reasoning: llm.Reasoning{Effort: "medium", Summary: "none"}}, `"max_tokens":32000,` + hi + `,"thinking":{"type":"enabled","budget_tokens":8192,"display":"omitted"}`, "[]"},
		{"before thinking", "claude-3-5-haiku-20241022", llm.Request{Reasoning: llm.Reasoning{Effort: "low"}}, `"max_tokens":8192,` + hi, "[reasoning]"},
		{"adaptive", "claude-sonnet-4-6", llm.Request{Reasoning: llm.Reasoning{Effort: "xhigh", Summary: "auto"}}, `"max_tokens":32000,` + hi + `,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}`, "[]"},
		{"a budget where there are none", "claude-opus-5", llm.Request{Reasoning: llm.Reasoning{Budget: 5000}}, `"max_tokens":32000,` + hi + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}`, "[]"},
		{"thinking at length", "claude-sonnet-4-6", llm.Request{Reasoning: llm.Reasoning{Effort: "high", Summary: "detailed"}}, `"max_tokens":32000,` + hi + `,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}`, "[reasoning.summary]"},
		{"shown, where there is some", "claude-opus-4-6", llm.Request{Reasoning: llm.Reasoning{Summary: "auto"}}, `"max_tokens":32000,` + hi + `,"thinking":{"type":"adaptive","display":"summarized"}`, "[]"},
		{"shown, where there is none", "claude-sonnet-4-5", llm.Request{Reasoning: llm.Reasoning{Summary: "auto"}}, `"max_tokens":32000,` + hi, "[reasoning.summary]"},
		{"hidden, where there is none", "claude-opus-4-6", llm.Request{Reasoning: llm.Reasoning{Summary: "none"}}, `"max_tokens":32000,` + hi, "[]"},
		{"off", "claude-opus-4-6", llm.Request{Reasoning: llm.Reasoning{Effort: "none"}}, `"max_tokens":32000,` + hi + `,"thinking":{"type":"disabled"}`, "[]"},
		{"cannot be off", "claude-fable-5", llm.Request{Reasoning: llm.Reasoning{Off: true}}, `"max_tokens":32000,` + hi, "[reasoning]"},
		{"a call beside thinking", "claude-sonnet-4-5", llm.Request{Tools: tool, Choice: llm.Choice{Mode: llm.Required}, Reasoning: llm.Reasoning{Effort: "low"}}, `"max_tokens":32000,` + hi + `,` + f + `,"tool_choice":{"type":"any"}`, "[reasoning]"},
		{"a call of who always thinks", "claude-mythos-preview", llm.Request{Tools: tool, Choice: llm.Choice{Mode: llm.Required, Names: []string{"f"}}}, `"max_tokens":32000,` + hi + `,` + f + `,"tool_choice":{"type":"auto"}`, "[tool.choice]"},
		{"one tool, one at a time", "claude-3-opus", llm.Request{Tools: tool, Parallel: ptr(false), Choice: llm.Choice{Mode: llm.Required, Names: []string{"f"}}}, `"max_tokens":4096,` + hi + `,` + f + `,"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}`, "[]"},
		{"some tools", "claude-3-opus", llm.Request{Tools: []llm.Tool{{Name: "f"}, {Name: "g"}, {Name: "h"}}, Choice: llm.Choice{Mode: llm.Auto, Names: []string{"f"}}}, `"max_tokens":4096,` + hi + `,` + f + `,"tool_choice":{"type":"auto"}`, "[]"},
		{"none", "claude-3-opus", llm.Request{Tools: tool, Choice: llm.Choice{Mode: llm.None}}, `"max_tokens":4096,` + hi + `,` + f + `,"tool_choice":{"type":"none"}`, "[]"},
		{"tools of all kinds", "claude-sonnet-4-5", llm.Request{Tools: []llm.Tool{
			{Name: "f", Description: "d", Schema: object, Strict: ptr(true), Cache: &llm.Cache{TTL: "1h"}},
			{Name: "a.b", Schema: llm.JSON(`{"properties":{}}`)},
			{Name: "patch", Grammar: llm.JSON(`{"type":"grammar","syntax":"lark","definition":"start: X"}`)},
			{Vendor: llm.Anthropic, Type: "bash_20250124", Name: "bash", Raw: llm.JSON(`{"type":"bash_20250124","name":"bash"}`)},
			{Vendor: llm.Responses, Type: "file_search"}}},
			`"max_tokens":32000,` + hi + `,"tools":[{"name":"f","description":"d","input_schema":` + closed + `,"strict":true,"cache_control":{"type":"ephemeral","ttl":"1h"}},
			{"name":"aih_hex_612e62","input_schema":{"type":"object","properties":{}}},
			{"name":"aih_text_patch","description":"The input must follow this lark grammar:\nstart: X","input_schema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}},
			{"type":"bash_20250124","name":"bash"}]`, "[tool.vendor:file_search tool.strict tool.custom]"},
		{"strict before its time", "claude-3-opus", llm.Request{Tools: []llm.Tool{{Name: "f", Strict: ptr(true)}}}, `"max_tokens":4096,` + hi + `,` + f, "[tool.strict]"},
		{"schema", "claude-sonnet-4-5", llm.Request{Format: llm.Format{Mode: llm.FormatSchema, Schema: object}}, `"max_tokens":32000,` + hi + `,"output_config":{"format":{"type":"json_schema","schema":` + closed + `}}`, "[tool.strict]"},
		{"schema by a tool", "claude-3-7-sonnet", llm.Request{Format: llm.Format{Mode: llm.FormatSchema, Schema: object}, Reasoning: llm.Reasoning{Effort: "low"}}, `"max_tokens":32000,` + hi + `,` + answer + string(object) + `}],"tool_choice":{"type":"tool","name":"aih_answer_json"}`, "[reasoning]"},
		{"JSON beside tools", "claude-sonnet-4-5", llm.Request{Tools: tool, Format: llm.Format{Mode: llm.FormatJSON}}, `"max_tokens":32000,` + hi + `,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}},{"name":"aih_answer_json","description":"Gives the answer. Call it once, with the whole answer, as soon as no other tool is needed.","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`, "[]"},
		{"JSON of who always thinks", "claude-fable-5", llm.Request{Format: llm.Format{Mode: llm.FormatJSON}}, `"max_tokens":32000,"system":[{"type":"text","text":"Answer with a single JSON object and nothing else. "}],` + hi, "[format]"},
		{"tier, user, whole cache", "claude-3-opus", llm.Request{ServiceTier: "default", User: "u1", CacheAll: &llm.Cache{TTL: "5m"}, ContextEdits: llm.JSON(`{"edits":[]}`)},
			`"max_tokens":4096,` + hi + `,"metadata":{"user_id":"u1"},"service_tier":"standard_only","cache_control":{"type":"ephemeral","ttl":"5m"},"context_management":{"edits":[]}`, "[]"},
		{"two names of the user", "claude-3-opus", llm.Request{User: "u1", SafetyID: "s1"}, `"max_tokens":4096,` + hi + `,"metadata":{"user_id":"u1"}`, "[safety_identifier]"},
		{"the user's newer name", "claude-3-opus", llm.Request{SafetyID: "s1"}, `"max_tokens":4096,` + hi + `,"metadata":{"user_id":"s1"}`, "[]"},
		{"extras", "claude-3-opus", llm.Request{Extra: map[string]llm.JSON{"container": llm.JSON(`"c"`), "foo": llm.JSON("1"), "output_config.task_budget": llm.JSON("2")}},
			`"max_tokens":4096,` + hi + `,"output_config":{"task_budget":2},"container":"c"`, "[extra:foo]"},
		{"what there is not", "claude-3-opus", llm.Request{N: 2, MinP: ptr(0.1), Frequency: ptr(1.0), Presence: ptr(1.0), Repetition: ptr(1.1), Seed: ptr(int64(1)), LogitBias: llm.JSON(`{"1":1}`), Logprobs: true,
			Verbosity: "low", Modalities: []string{"text", "audio"}, ServiceTier: "flex", Metadata: map[string]string{"a": "b"}, CacheKey: "k", CacheFor: "24h", Prediction: llm.JSON("{}"), Store: ptr(true), Truncation: "auto",
			Include: []string{"reasoning.encrypted_content", "x"}, Safety: llm.JSON("[]")}, `"max_tokens":4096,` + hi,
			"[service_tier n min_p frequency presence repetition seed logit_bias logprobs verbosity modalities metadata cache_key cache_for prediction store truncation include safety]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := tt.r
			r.Messages = []llm.Message{say(llm.User, text("hi"))}
			got, dropped := encode(t, &r, dialect.Target{Model: tt.model})
			same(t, `{"model":"`+tt.model+`",`+tt.want+`}`, got)
			if dropped != tt.dropped {
				t.Errorf("dropped %s, want %s", dropped, tt.dropped)
			}
		})
	}
}

func TestEncodeForTargets(t *testing.T) {
	t.Parallel()
	r := &llm.Request{Messages: []llm.Message{say(llm.User, text("hi"))}, Extra: map[string]llm.JSON{"foo": llm.JSON("1")}}
	const hi = `"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
	got, dropped := encode(t, r, dialect.Target{Model: "m", Stream: true, MaxOutput: 99, KeepExtra: true})
	same(t, `{"model":"m","max_tokens":99,"stream":true,"foo":1,`+hi+`}`, got)
	if dropped != "[]" {
		t.Errorf("dropped %s", dropped)
	}
	got, _ = encode(t, r, dialect.Target{Model: "claude@1", OmitModel: true, AnthropicVersion: "v"})
	same(t, `{"anthropic_version":"v","max_tokens":4096,`+hi+`}`, got)
	got, _ = encode(t, r, dialect.Target{Model: "m", ClaudeCLI: true})
	same(t, `{"model":"m","max_tokens":4096,"system":[{"type":"text","text":"You are Claude Code, Anthropic's official CLI for Claude."}],"metadata":{"user_id":"USER"},`+hi+`}`,
		claudeUser.ReplaceAllString(got, `"USER"`))
	_, _, err := anthropic.Dialect{}.EncodeRequest(&llm.Request{Previous: "resp_1"}, dialect.Target{})
	var refused *llm.RequestError
	if !errors.As(err, &refused) || refused.Param != string(llm.FieldPrevious) {
		t.Errorf("an earlier answer of another vendor: %v", err)
	}
}

func TestThinkingWithinAToolLoop(t *testing.T) {
	t.Parallel()
	loop := func(state llm.State) *llm.Request {
		return &llm.Request{MaxTokens: 9000, Tools: []llm.Tool{{Name: "f"}}, Reasoning: llm.Reasoning{Budget: 2000}, Messages: []llm.Message{say(llm.User, text("q")),
			say(llm.Assistant, llm.Block{Kind: llm.Thinking, Text: "hm", State: state}, call("1", "f", "")), say(llm.User, result("1", text("r")))}}
	}
	tests := []struct {
		name, model, thinking, dropped string
		state                          llm.State
	}{
		{"own", "claude-sonnet-4-5", `"thinking":{"type":"enabled","budget_tokens":2000}`, "[]", llm.State{Origin: llm.Anthropic, Data: "s"}},
		{"foreign", "claude-sonnet-4-5", "", "[thinking reasoning]", llm.State{Origin: llm.Gemini, Data: "s"}},
		{"foreign, but the model decides", "claude-sonnet-4-6", `"thinking":{"type":"adaptive"}`, "[thinking]", llm.State{Origin: llm.Gemini, Data: "s"}},
	}
	for _, tt := range tests {
		got, dropped := encode(t, loop(tt.state), dialect.Target{Model: tt.model})
		if dropped != tt.dropped || tt.thinking == "" && strings.Contains(got, `"thinking":{`) || !strings.Contains(got, tt.thinking) {
			t.Errorf("%s: dropped %s, %s", tt.name, dropped, got)
		}
	}
}

func TestCacheMarkersBeyondTheLimit(t *testing.T) {
	t.Parallel()
	var blocks []llm.Block
	for _, s := range []string{"a", "b", "c", "d", "e", "f"} {
		blocks = append(blocks, llm.Block{Kind: llm.Text, Text: s, Cache: &llm.Cache{}})
	}
	got, dropped := encode(t, &llm.Request{Messages: []llm.Message{say(llm.User, blocks...)}}, dialect.Target{Model: "m"})
	if strings.Count(got, "cache_control") != 4 || strings.Index(got, "cache_control") < strings.Index(got, `"c"`) || dropped != "[cache]" {
		t.Errorf("dropped %s: %s", dropped, got)
	}
}
