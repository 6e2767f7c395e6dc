package responses_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

// foreign is a request of a caller of another dialect, with all that this one has no place for.
func foreign() *llm.Request {
	return &llm.Request{Dialect: llm.Anthropic, Model: "alias", MaxTokens: 5, N: 2, Stop: []string{"x"}, TopK: new(int64(1)), Seed: new(int64(2)), ServiceTier: "standard_only",
		Frequency: new(0.1), Presence: new(0.1), LogitBias: llm.JSON(`{"1":2}`), Extra: map[string]llm.JSON{"odd": llm.JSON("1")}, CacheAll: &llm.Cache{},
		Reasoning: llm.Reasoning{Budget: 2000}, Logprobs: true, TopLogprobs: 3,
		Messages: []llm.Message{
			turn(llm.System, llm.Block{Kind: llm.Text, Text: "be brief", Cache: &llm.Cache{TTL: "1h"}}),
			turn(llm.User, text("look"), llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA"}},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "application/pdf", Data: "BBBB"}},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, Text: "plain", Name: "notes"}},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, MIMEType: "audio/wav", Data: "CCCC"}},
				llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, FileID: "f", Origin: llm.Anthropic}}),
			turn(llm.Assistant, llm.Block{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Anthropic, Data: "sig"}},
				llm.Block{Kind: llm.Thinking, Text: "so", State: llm.State{Origin: llm.Responses, ID: "rs_9", Data: "sealed"}},
				text("I try"), llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "t1", Name: "f"}},
				llm.Block{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "server_tool_use", Raw: llm.JSON(`{}`)}),
			turn(llm.User, llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: "t1", IsError: true, Content: []llm.Block{text("no such file")}}}, text("go on")),
		},
		Tools: []llm.Tool{{Name: "f", Schema: llm.JSON(`{"type":"object"}`)}, {Name: "g", Grammar: llm.JSON(`{"type":"grammar","grammar":{"syntax":"regex","definition":"a+"}}`)},
			{Vendor: llm.Anthropic, Type: "web_search_20250305", Raw: llm.JSON(`{}`)}},
		Choice: llm.Choice{Mode: llm.Required},
		Format: llm.Format{Mode: llm.FormatSchema, Schema: llm.JSON(`{"type":"object"}`)},
	}
}

func TestForeignRequest(t *testing.T) {
	t.Parallel()
	got, dropped, err := responses.Dialect{}.EncodeRequest(foreign(), dialect.Target{Model: "gpt-5", Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"gpt-5","stream":true,"store":false,"max_output_tokens":16,"instructions":"be brief","service_tier":"default",
		"reasoning":{"effort":"medium","summary":"auto"},"include":["reasoning.encrypted_content"],
		"text":{"format":{"type":"json_schema","name":"answer","schema":{"type":"object"}}},"tool_choice":"required",
		"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false},{"type":"custom","name":"g","format":{"type":"grammar","syntax":"regex","definition":"a+"}}],
		"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"look"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"auto"},
			{"type":"input_file","filename":"document.pdf","file_data":"data:application/pdf;base64,BBBB"},{"type":"input_text","text":"notes\n\nplain"}]},
		{"type":"reasoning","id":"rs_9","encrypted_content":"sealed","summary":[{"type":"summary_text","text":"so"}]},
		{"type":"message","role":"assistant","content":"I try"},
		{"type":"function_call","call_id":"t1","name":"f","arguments":"{}"},
		{"type":"function_call_output","call_id":"t1","output":"Error: no such file"},
		{"type":"message","role":"user","content":[{"type":"input_text","text":"go on"}]}]}`
	if diff := cmp.Diff(value(t, []byte(want)), value(t, got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	slices.Sort(dropped)
	fields := []llm.Field{llm.FieldAudio, llm.FieldVendorBlock.With("server_tool_use"), llm.FieldCache, llm.FieldExtra.With("odd"), llm.FieldFile,
		llm.FieldFrequency, llm.FieldLogitBias, llm.FieldLogprobs, llm.FieldN, llm.FieldPresence, llm.FieldSeed, llm.FieldStop, llm.FieldThinking, llm.FieldVendorTool.With("web_search_20250305"), llm.FieldTopK}
	slices.Sort(fields)
	if diff := cmp.Diff(fields, dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	for _, f := range dropped {
		if name := (responses.Dialect{}).FieldName(f); name == "" || strings.Contains(name, ":") {
			t.Errorf("%s is called %q", f, name)
		}
	}
	holds(t, "CreateResponse", got)
}

func TestEncryptedThinkingIsAskedOfModelsThatThink(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]bool{"gpt-5": true, "o4-mini": true, "vendor/gpt-oss-120b": true, "gpt-4o": false, "openai/gpt-4.1-mini": false, "ft:gpt-4o:x": false} {
		body, _, err := responses.Dialect{}.EncodeRequest(&llm.Request{Messages: []llm.Message{turn(llm.User, text("x"))}}, dialect.Target{Model: model})
		if err != nil || strings.Contains(string(body), "encrypted_content") != want {
			t.Errorf("%s: %v in %s", model, err, body)
		}
	}
}

// answer has a block of every kind, as upstreams of other dialects make them.
func answer() *llm.Response {
	return &llm.Response{ID: "msg_01", Model: "m", Created: 1700000000, HasUsage: true,
		Usage: llm.Usage{Input: 10, CachedInput: 20, CacheWrite5m: 5, CacheWrite1h: 1, Output: 30, Reasoning: 7},
		Candidates: []llm.Candidate{{Finish: llm.FinishTools, Blocks: []llm.Block{
			{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Anthropic, Data: "sig"}},
			{Kind: llm.Thinking, State: llm.State{Origin: llm.Anthropic, Data: "redacted", Redacted: true}},
			{Kind: llm.Thinking, Text: "shown only"},
			{Kind: llm.Text, Text: "see \"this\"", Citations: []llm.Citation{{Start: 1, End: 3, URL: "https://example.com", Title: "t"}}},
			{Kind: llm.Text, Text: "and that"},
			{Kind: llm.Refusal, Text: "not this"},
			{Kind: llm.ToolCall, Call: llm.Call{ID: "c1", Name: "f", Input: `{"a":1}`}, State: llm.State{Origin: llm.Gemini, Data: "ts"}},
			{Kind: llm.ToolCall, Call: llm.Call{ID: "c2", Name: "mail__send"}},
			{Kind: llm.ToolCall, Call: llm.Call{ID: "c3", Name: "apply_patch", Input: `{"input":"*** Begin Patch"}`}},
			{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA"}},
		}, Logprobs: []llm.Logprob{{Token: "see", Logprob: -0.5, Top: []llm.Logprob{{Token: "See", Logprob: -1}}}}}}}
}

func asked() *llm.Request {
	return &llm.Request{Dialect: llm.Responses, Model: "alias", MaxTokens: 99, Tools: []llm.Tool{
		{Name: "f", Schema: llm.JSON("{\n\"type\":\"object\"}")}, {Name: "mail__send", Namespace: llm.Namespace{Name: "mail", Description: "letters"}},
		{Name: "apply_patch", Grammar: llm.JSON(`{"type":"grammar","syntax":"lark","definition":"x"}`)}}}
}

// TestForeignAnswer holds what a caller reads, and that their next request brings back what the vendor wants.
func TestForeignAnswer(t *testing.T) {
	t.Parallel()
	body := responses.Dialect{}.EncodeResponse(answer(), asked())
	holds(t, "Response", body)
	all := events(t, encode(t, answer(), asked()), 7)
	for i, data := range all {
		checkEvent(t, i, data)
	}
	var last struct{ Response map[string]json.RawMessage }
	if err := json.Unmarshal(all[len(all)-1], &last); err != nil {
		t.Fatal(err)
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		t.Fatal(err)
	}
	var items []map[string]any
	if err := json.Unmarshal(whole["output"], &items); err != nil {
		t.Fatal(err)
	}
	kinds := []string{}
	for _, it := range items {
		kinds = append(kinds, it["type"].(string))
	}
	if diff := cmp.Diff([]string{"reasoning", "reasoning", "reasoning", "message", "function_call", "function_call", "custom_tool_call", "image_generation_call"}, kinds); diff != "" {
		t.Fatal(diff)
	}
	if it := items[5]; it["namespace"] != "mail" || it["name"] != "send" || it["arguments"] != "{}" {
		t.Errorf("a call within a namespace is %v", it)
	}
	if it := items[6]; it["input"] != "*** Begin Patch" {
		t.Errorf("a call of a custom tool is %v", it)
	}
	if got := string(whole["usage"]); got != `{"input_tokens":36,"input_tokens_details":{"cached_tokens":20,"cache_write_tokens":6},"output_tokens":30,"output_tokens_details":{"reasoning_tokens":7},"total_tokens":66}` {
		t.Errorf("usage %s", got)
	}

	// The client sends the items back, but for what only answers have.
	input := append(slices.Clone(items[:7]), map[string]any{"type": "function_call_output", "call_id": items[4]["call_id"], "output": "1"})
	request, err := json.Marshal(map[string]any{"model": "m", "input": input})
	if err != nil {
		t.Fatal(err)
	}
	if !llm.Carries(request) {
		t.Error("the request does not show that it carries state")
	}
	for _, it := range items {
		if id, _ := it["id"].(string); !llm.Carries([]byte(id)) {
			t.Errorf("an upstream would look for the item %q", id)
		}
	}
	back, err := responses.Dialect{}.DecodeRequest(request, dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	want := answer().Candidates[0].Blocks[:9]
	want[7].Call.Name, want[7].Call.Input = "mail__send", "{}"
	want[8].Call = llm.Call{ID: "c3", Name: "apply_patch", Input: "*** Begin Patch", Custom: true}
	want[3].Citations[0].Vendor = llm.Responses
	want[3].Citations[0].Raw = llm.JSON(`{"type":"url_citation","url":"https://example.com","start_index":1,"end_index":3,"title":"t"}`)
	if diff := cmp.Diff(want, back.Messages[0].Blocks, jsonEqual()); diff != "" {
		t.Errorf("what came back (-want +got):\n%s", diff)
	}
	if got := back.Messages[1].Blocks[0].Result.CallID; got != "c1" {
		t.Errorf("the result answers %q", got)
	}
}

func TestEndings(t *testing.T) {
	t.Parallel()
	for finish, want := range map[llm.Finish]string{
		llm.FinishStop: `"status":"completed"`, llm.FinishStopSequence: `"status":"completed"`, llm.FinishTools: `"status":"completed"`, llm.FinishRefusal: `"status":"completed"`,
		llm.FinishPause: `"status":"completed"`, llm.FinishLength: `"incomplete_details":{"reason":"max_output_tokens"}`, llm.FinishContext: `"incomplete_details":{"reason":"max_output_tokens"}`,
		llm.FinishFilter: `"incomplete_details":{"reason":"content_filter"}`, llm.FinishMalformed: `"code":"server_error"`, llm.FinishError: `"code":"server_error"`,
	} {
		r := &llm.Response{ID: "r", Created: 1, Candidates: []llm.Candidate{{Finish: finish, Blocks: []llm.Block{{Kind: llm.Text, Text: "x"}}}}}
		body := string(responses.Dialect{}.EncodeResponse(r, nil))
		stream := encode(t, r, nil)
		if !strings.Contains(body, want) || !strings.Contains(stream, want) {
			t.Errorf("finish %d: no %s in %s", finish, want, body)
		}
		holds(t, "Response", []byte(body))
	}
	if body := (responses.Dialect{}).EncodeResponse(&llm.Response{Filter: "SAFETY"}, nil); !strings.Contains(string(body), "content_filter") {
		t.Errorf("a prompt that was refused reads %s", body)
	}
}

// The dialect has no place for sound in an answer, but one for what is said in it.
func TestWordsOfASound(t *testing.T) {
	t.Parallel()
	r := &llm.Response{ID: "r", Created: 1, Candidates: []llm.Candidate{{Finish: llm.FinishStop, Blocks: []llm.Block{
		{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, Data: "AAAA", Text: "hi \"there\""}},
		{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, Data: "AAAA"}},
	}}}}
	body := responses.Dialect{}.EncodeResponse(r, nil)
	holds(t, "Response", body)
	back, err := responses.Dialect{}.DecodeResponse(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]llm.Block{{Kind: llm.Text, Text: "hi \"there\""}}, back.Candidates[0].Blocks); diff != "" {
		t.Errorf("whole (-want +got):\n%s", diff)
	}
	if stream := encode(t, r, nil); strings.Count(stream, `"type":"response.output_text.delta"`) != 1 || strings.Count(stream, `"type":"response.output_item.done"`) != 1 {
		t.Errorf("streamed: %s", stream)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	body, _, err := responses.EncodeCount(foreign(), dialect.Target{Model: "gpt-5"})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, "TokenCountsBody", body)
	for name := range value(t, body).(map[string]any) {
		if slices.Contains([]string{"stream", "store", "max_output_tokens", "include", "temperature", "service_tier"}, name) {
			t.Errorf("%s is no field of the count", name)
		}
	}
	for answer, want := range map[string]int64{`{"object":"response.input_tokens","input_tokens":51}`: 51, `{"input_tokens":-1}`: -1, `{}`: -1, `[`: -1, `{"error":{"message":"no"}}`: -1} {
		got, err := responses.DecodeCountResponse([]byte(answer))
		if (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%s: %d, %v", answer, got, err)
		}
	}
}
