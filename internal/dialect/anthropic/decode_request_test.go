package anthropic_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	got := decode(t, `{"model":"m","max_tokens":9,"stream":true,"temperature":0.5,"top_p":0.9,"top_k":3,"stop_sequences":["x"],
		"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],
		"metadata":{"user_id":"u"},"service_tier":"auto","cache_control":{"type":"ephemeral"},"context_management":{"edits":[]},"container":"c","mcp_servers":[],
		"thinking":{"type":"enabled","budget_tokens":2048,"display":"omitted"},
		"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}},"task_budget":1},
		"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
		"tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true,"defer_loading":true,"cache_control":{"type":"ephemeral"}},{"type":"custom","name":"g","input_schema":{}},
			{"type":"web_search_20250305","name":"web_search","max_uses":1}],
		"messages":[{"role":"user","content":"hi"},
			{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"redacted_thinking","data":"xx"},
				{"type":"text","text":"t","citations":[{"type":"web_search_result_location","url":"https://example.com","title":"T","cited_text":"c","encrypted_index":"e"}]},
				{"type":"tool_use","id":"1","name":"f","input":{"a": 1}},{"type":"tool_use","id":"2","name":"g","input":{},"caller":{"type":"direct"}},
				{"type":"server_tool_use","id":"s","name":"web_search","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"ok"},
				{"type":"tool_result","tool_use_id":"2","is_error":true,"content":[{"type":"text","text":"e"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},{"type":"tool_reference","tool_name":"f"}]},
				{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},{"type":"image","source":{"type":"file","file_id":"file_1"}},
				{"type":"document","source":{"type":"text","media_type":"text/plain","data":"p"},"title":"T","context":"C","citations":{"enabled":true}},
				{"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}},
				{"type":"search_result","source":"https://example.com","title":"S","content":[{"type":"text","text":"r"}],"citations":{"enabled":true}}]},
			{"role":"system","content":"later"}]}`)
	png := llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA"}
	want := &llm.Request{Dialect: llm.Anthropic, Model: "m", Stream: true, MaxTokens: 9, Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr(int64(3)), Stop: []string{"x"},
		User: "u", ServiceTier: "auto", CacheAll: &llm.Cache{}, ContextEdits: llm.JSON(`{"edits":[]}`),
		Reasoning: llm.Reasoning{Budget: 2048, Effort: "low", Summary: "none"}, Format: llm.Format{Mode: llm.FormatSchema, Schema: llm.JSON(`{"type":"object"}`)},
		Choice: llm.Choice{Mode: llm.Required, Names: []string{"f"}}, Parallel: ptr(false),
		Extra: map[string]llm.JSON{"container": llm.JSON(`"c"`), "mcp_servers": llm.JSON("[]"), "output_config.task_budget": llm.JSON("1"), "tools[].defer_loading": llm.JSON(`{"f":true}`)},
		Tools: []llm.Tool{{Name: "f", Description: "d", Schema: llm.JSON(`{"type":"object"}`), Strict: ptr(true), Cache: &llm.Cache{}}, {Name: "g", Schema: llm.JSON(`{}`)},
			{Name: "web_search", Vendor: llm.Anthropic, Type: "web_search_20250305", Raw: llm.JSON(`{"type":"web_search_20250305","name":"web_search","max_uses":1}`)}},
		Messages: []llm.Message{
			say(llm.System, llm.Block{Kind: llm.Text, Text: "s", Cache: &llm.Cache{TTL: "1h"}}),
			say(llm.User, text("hi")),
			say(llm.Assistant, llm.Block{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Anthropic, Data: "sig"}},
				llm.Block{Kind: llm.Thinking, State: llm.State{Origin: llm.Anthropic, Data: "xx", Redacted: true}},
				llm.Block{Kind: llm.Text, Text: "t", Citations: []llm.Citation{{URL: "https://example.com", Title: "T", Cited: "c", Vendor: llm.Anthropic,
					Raw: llm.JSON(`{"type":"web_search_result_location","url":"https://example.com","title":"T","cited_text":"c","encrypted_index":"e"}`)}}},
				call("1", "f", `{"a": 1}`),
				llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "2", Name: "g"}, Vendor: llm.Anthropic, Raw: llm.JSON(`{"caller":{"type":"direct"}}`)},
				llm.Block{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "server_tool_use", Raw: llm.JSON(`{"type":"server_tool_use","id":"s","name":"web_search","input":{}}`)}),
			say(llm.User, result("1", text("ok")),
				llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: "2", Name: "g", IsError: true, Content: []llm.Block{text("e"), {Kind: llm.Media, Media: &png},
					{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "tool_reference", Raw: llm.JSON(`{"type":"tool_reference","tool_name":"f"}`)}}}},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, URL: "https://example.com/a.png"}},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, FileID: "file_1", Origin: llm.Anthropic}},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "text/plain", Text: "p", Name: "T", Context: "C", Cite: true}},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "text/plain", Text: "a\n\nb"}, Vendor: llm.Anthropic, Type: "document",
					Raw: llm.JSON(`{"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}`)},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "text/plain", Text: "r", Name: "S", Context: "https://example.com", Cite: true}, Vendor: llm.Anthropic, Type: "search_result",
					Raw: llm.JSON(`{"type":"search_result","source":"https://example.com","title":"S","content":[{"type":"text","text":"r"}],"citations":{"enabled":true}}`)}),
			say(llm.System, text("later")),
		}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	encoded, dropped := encode(t, want, dialect.Target{Model: "claude-sonnet-4-5"})
	if dropped != "[reasoning top_p]" { // a tool is forced, and the model takes temperature or top_p
		t.Errorf("back to the same dialect dropped %s of %s", dropped, encoded)
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	t.Parallel()
	message := func(content string) string {
		return `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":` + content + `}]}`
	}
	tests := []struct{ body, param, message string }{
		{`{`, "", "not valid JSON"},
		{`{"model":"m","model":"n"}`, "model", "more than once"},
		{`{"model":1}`, "model", "a string"},
		{`{"max_tokens":1}`, "model", "required"},
		{`{"model":"m","messages":[{"role":"user","content":"x"}]}`, "max_tokens", "required"},
		{`{"model":"m","max_tokens":1,"messages":[]}`, "messages", "at least one"},
		{`{"model":"m","max_tokens":1,"messages":[{"role":"robot","content":"x"}]}`, "messages.0.role", "user or assistant"},
		{message(`5`), "messages.0.content", "a string or a list"},
		{message(`[{"text":"x"}]`), "messages.0.content", "type: Field required"},
		{message(`[{"type":"text","text":5}]`), "messages.0.content.0.text", "a string"},
		{message(`[{"type":"image","source":{"type":"x"}}]`), "messages.0.content.0.source.type", "messages.0.content.0.source.type: "},
		{message(`[{"type":"text","text":"a"},{"type":"tool_result","tool_use_id":"1","content":[{"type":"document","source":{"type":"x"}}]}]`), "messages.0.content.1.content.0.source.type", "base64"},
		{strings.Replace(message(`"x"`), "{", `{"tool_choice":{"type":"x"},`, 1), "tool_choice.type", "auto"},
		{strings.Replace(message(`"x"`), "{", `{"thinking":{"type":"enabled","budget_tokens":5},`, 1), "thinking.budget_tokens", "1024"},
		{strings.Replace(message(`"x"`), "{", `{"tools":[{"name":5}],`, 1), "tools.name", "a string"},
		{strings.Replace(message(`"x"`), "{", `{"tools":[{"description":"x"}],`, 1), "tools", "no name"},
	}
	for _, tt := range tests {
		_, err := anthropic.Dialect{}.DecodeRequest([]byte(tt.body), dialect.At{})
		var refused *llm.RequestError
		if !errors.As(err, &refused) || refused.Param != tt.param || !strings.Contains(refused.Message, tt.message) {
			t.Errorf("%s: %#v, want %q of %q", tt.body, err, tt.message, tt.param)
		}
	}
}

func TestThinkingOfAnotherVendorComesBack(t *testing.T) {
	t.Parallel()
	d := anthropic.Dialect{}
	gemini := llm.State{Origin: llm.Gemini, Data: "ts"}
	said := []llm.Block{{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Responses, ID: "rs_1", Data: "enc"}}, {Kind: llm.Thinking, State: llm.State{Origin: llm.OpenAI, Data: "x", Redacted: true}},
		{Kind: llm.ToolCall, Call: llm.Call{ID: "c1", Name: "f", Input: `{}`}, State: gemini}}
	answer := &llm.Response{ID: "i", Model: "m", Candidates: []llm.Candidate{{Finish: llm.FinishTools, Blocks: said}}}
	want := append([]llm.Block(nil), said...)
	want[2].Call.Input = ""
	var events []llm.Event
	_ = answer.Events(func(e *llm.Event) error { events = append(events, *e); return nil })
	streamed, _, _ := decodeStream(t, encodeStream(t, events), 100)
	whole, err := d.DecodeResponse(d.EncodeResponse(answer, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []*llm.Response{streamed, whole} {
		// What the caller's client brings back is the answer's own content.
		body := string(d.EncodeResponse(got, nil))
		content := body[strings.Index(body, `"content":`):strings.Index(body, `,"stop_reason"`)]
		body = `{"model":"m","max_tokens":1,"messages":[{"role":"assistant",` + content + `},{"role":"user","content":[{"type":"tool_result","tool_use_id":"` +
			llm.CarryID("c1", llm.Block{Kind: llm.ToolCall, State: gemini}) + `","content":"r"}]}]}`
		if !llm.Carries([]byte(body)) {
			t.Errorf("nothing is carried in %s", body)
		}
		r := decode(t, body)
		if diff := cmp.Diff(want, r.Messages[0].Blocks); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(result("c1", text("r")), r.Messages[1].Blocks[0]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	d := anthropic.Dialect{}
	r, err := d.DecodeCount([]byte(`{"model":"m","system":"s","messages":[{"role":"user","content":"hi"}],"thinking":{"type":"adaptive"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Temperature = ptr(0.5)
	body, dropped, err := d.EncodeCount(r, dialect.Target{Model: "claude-opus-4-6", MaxOutput: 5})
	if err != nil || len(dropped) > 0 {
		t.Error(dropped, err)
	}
	same(t, `{"model":"claude-opus-4-6","system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"thinking":{"type":"adaptive"}}`, string(body))
	if n, err := d.DecodeCountResponse(d.EncodeCountResponse(641)); n != 641 || err != nil {
		t.Error(n, err)
	}
	for _, bad := range []string{``, `{}`, `{"input_tokens":-1}`, `{"input_tokens":1e12}`, `[]`} {
		if _, err := d.DecodeCountResponse([]byte(bad)); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestFieldName(t *testing.T) {
	t.Parallel()
	for field, want := range map[llm.Field]string{
		llm.FieldTopK: "top_k", llm.FieldReasoning: "thinking", llm.FieldVendorTool.With("bash_20250124"): "tools[].bash_20250124",
		llm.FieldExtra.With("container"): "container", llm.FieldSeed: "seed",
	} {
		if got := (anthropic.Dialect{}).FieldName(field); got != want {
			t.Errorf("%s is called %s, want %s", field, got, want)
		}
	}
}
