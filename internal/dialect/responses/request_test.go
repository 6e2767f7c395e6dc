package responses_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func text(s string) llm.Block { return llm.Block{Kind: llm.Text, Text: s} }

func turn(role llm.Role, blocks ...llm.Block) llm.Message {
	return llm.Message{Role: role, Blocks: blocks}
}

// shell is how the local shell stands in a request: as a function that any model can call.
var shell = func() llm.Tool {
	r, err := responses.Dialect{}.DecodeRequest([]byte(`{"model":"m","input":"x","tools":[{"type":"local_shell"}]}`), dialect.At{})
	if err != nil || len(r.Tools) != 1 {
		panic("the local shell cannot be read")
	}
	return r.Tools[0]
}()

// requests are what callers write, what it means, and what of that is written for an upstream of the dialect where it is not
// the same.
var requests = []struct {
	name, body string
	want       llm.Request
	back       string
}{
	{"a text", `{"model":"m","input":"hello"}`,
		llm.Request{Messages: []llm.Message{turn(llm.User, text("hello"))}},
		`{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}]}`},
	{"roles", `{"model":"m","instructions":"be brief","input":[{"role":"developer","content":"speak French"},{"role":"user","content":"hello"},
		{"role":"assistant","content":"salut"},{"role":"system","content":"stop"},{"role":"user","content":"why"}]}`,
		llm.Request{Messages: []llm.Message{turn(llm.System, text("be brief")), turn(llm.Developer, text("speak French")), turn(llm.User, text("hello")),
			turn(llm.Assistant, text("salut")), turn(llm.System, text("stop")), turn(llm.User, text("why"))}},
		`{"model":"m","instructions":"be brief","input":[
			{"type":"message","role":"developer","content":[{"type":"input_text","text":"speak French"}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]},
			{"type":"message","role":"assistant","content":"salut"},
			{"type":"message","role":"system","content":[{"type":"input_text","text":"stop"}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"why"}]}]}`},
	{"attachments", `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"see","prompt_cache_breakpoint":{"mode":"explicit"}},
		{"type":"input_image","image_url":"https://example.com/a.png","detail":"high"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"auto"},
		{"type":"input_image","file_id":"file-1","detail":"low"},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,BBBB"},
		{"type":"input_file","file_url":"https://example.com/b.pdf"},{"type":"input_file","file_id":"file-2"},
		{"type":"input_audio","input_audio":{"data":"CCCC","format":"mp3"}}]}]}`,
		llm.Request{Messages: []llm.Message{turn(llm.User, llm.Block{Kind: llm.Text, Text: "see", Cache: &llm.Cache{}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, URL: "https://example.com/a.png", Detail: "high"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA", Detail: "auto"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, FileID: "file-1", Origin: llm.Responses, Detail: "low"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "application/pdf", Data: "BBBB", Name: "a.pdf"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, URL: "https://example.com/b.pdf"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, FileID: "file-2", Origin: llm.Responses}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, MIMEType: "audio/mpeg", Data: "CCCC"}})}}, ""},
	{"a turn with tools", `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"go"}]},
		{"type":"reasoning","id":"rs_1","encrypted_content":"sealed","summary":[{"type":"summary_text","text":"hm"}]},
		{"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look","annotations":[{"type":"url_citation","start_index":0,"end_index":1,"url":"https://example.com","title":"t"}]},{"type":"refusal","refusal":"no"}]},
		{"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
		{"type":"custom_tool_call","call_id":"c2","name":"g","input":"free text"},
		{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},
		{"type":"function_call_output","call_id":"c1","output":"1"},
		{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"auto"}]},
		{"type":"message","role":"user","content":[{"type":"input_text","text":"and now"}]}]}`,
		llm.Request{Messages: []llm.Message{turn(llm.User, text("go")),
			turn(llm.Assistant, llm.Block{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Responses, ID: "rs_1", Data: "sealed"}},
				llm.Block{Kind: llm.Text, Text: "I look", Citations: []llm.Citation{{End: 1, URL: "https://example.com", Title: "t", Vendor: llm.Responses,
					Raw: llm.JSON(`{"type":"url_citation","start_index":0,"end_index":1,"url":"https://example.com","title":"t"}`)}}},
				llm.Block{Kind: llm.Refusal, Text: "no"},
				llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "c1", Name: "f", Input: `{"a":1}`}},
				llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "c2", Name: "g", Input: "free text", Custom: true}},
				llm.Block{Kind: llm.Opaque, Vendor: llm.Responses, Type: "web_search_call", Raw: llm.JSON(`{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}`)}),
			turn(llm.User, llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: "c1", Name: "f", Content: []llm.Block{text("1")}}},
				llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: "c2", Name: "g", Custom: true, Content: []llm.Block{text("see"),
					{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA", Detail: "auto"}}}}},
				text("and now"))}}, ""},
	{"settings", `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}],"stream":true,"max_output_tokens":50,
		"temperature":0.5,"top_p":0.9,"top_logprobs":2,"include":["message.output_text.logprobs","reasoning.encrypted_content"],"parallel_tool_calls":false,
		"text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{"type":"object"},"strict":true},"verbosity":"low"},
		"reasoning":{"effort":"high","summary":"detailed","context":"all_turns"},"service_tier":"flex","user":"u","metadata":{"k":"v"},"prompt_cache_key":"pk","prompt_cache_retention":"24h",
		"store":false,"previous_response_id":"resp_1","truncation":"auto","conversation":"conv_1","background":true,"tools":[{"type":"web_search"}]}`,
		llm.Request{Messages: []llm.Message{turn(llm.User, text("x"))}, Stream: true, MaxTokens: 50, Temperature: new(0.5), TopP: new(0.9),
			Logprobs: true, TopLogprobs: 2, Include: []string{"reasoning.encrypted_content"}, Parallel: new(false),
			Format:    llm.Format{Mode: llm.FormatSchema, Name: "n", Description: "d", Schema: llm.JSON(`{"type":"object"}`), Strict: new(true)},
			Verbosity: "low", Reasoning: llm.Reasoning{Effort: "high", Summary: "detailed"}, ServiceTier: "flex", User: "u", Metadata: map[string]string{"k": "v"},
			CacheKey: "pk", CacheFor: "24h", Store: new(false), Previous: "resp_1", Truncation: "auto", Bound: []string{"background", "conversation"},
			Tools: []llm.Tool{{Vendor: llm.Responses, Type: "web_search", Raw: llm.JSON(`{"type":"web_search"}`)}},
			Extra: map[string]llm.JSON{"conversation": llm.JSON(`"conv_1"`), "background": llm.JSON("true"), "reasoning.context": llm.JSON(`"all_turns"`)}}, ""},
	{"tools", `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}],"tools":[
		{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true,"defer_loading":true,"output_schema":{"type":"string"}},
		{"type":"custom","name":"apply_patch","description":"edit","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},{"type":"custom","name":"free"},
		{"type":"namespace","name":"mail","description":"letters","tools":[{"type":"function","name":"send"},{"type":"custom","name":"draft"}]},
		{"type":"local_shell"}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"custom","name":"free"}]}}`,
		llm.Request{Messages: []llm.Message{turn(llm.User, text("x"))}, Tools: []llm.Tool{
			{Name: "f", Description: "d", Schema: llm.JSON(`{"type":"object"}`), Strict: new(true)},
			{Name: "apply_patch", Description: "edit", Grammar: llm.JSON(`{"type":"grammar","syntax":"lark","definition":"start: x"}`)},
			{Name: "free", Grammar: llm.JSON("{}")},
			{Name: "mail__send", Namespace: llm.Namespace{Name: "mail", Description: "letters"}},
			{Name: "mail__draft", Grammar: llm.JSON("{}"), Namespace: llm.Namespace{Name: "mail", Description: "letters"}},
			{Name: "local_shell", Description: shell.Description, Schema: shell.Schema, Type: "local_shell", Raw: llm.JSON(`{"type":"local_shell"}`)}},
			Extra:  map[string]llm.JSON{"tools[].defer_loading": llm.JSON(`{"f":true}`), "tools[].output_schema": llm.JSON(`{"f":{"type":"string"}}`)},
			Choice: llm.Choice{Mode: llm.Auto, Names: []string{"f", "free"}}}, ""},
	{"choice of a function", `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}],"tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"function","name":"f"}}`,
		llm.Request{Messages: []llm.Message{turn(llm.User, text("x"))}, Tools: []llm.Tool{{Name: "f"}}, Choice: llm.Choice{Mode: llm.Required, Names: []string{"f"}}}, ""},
	{"choice of what the vendor runs", `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}],"tools":[{"type":"mcp","server_label":"l"}],"tool_choice":{"type":"mcp","server_label":"l"}}`,
		llm.Request{Messages: []llm.Message{turn(llm.User, text("x"))}, Tools: []llm.Tool{{Vendor: llm.Responses, Type: "mcp", Raw: llm.JSON(`{"type":"mcp","server_label":"l"}`)}},
			Choice: llm.Choice{Mode: llm.Required, Names: []string{"mcp"}}}, ""},
	{"JSON mode, no thinking", `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}],"text":{"format":{"type":"json_object"}},"reasoning":{"effort":"none"}}`,
		llm.Request{Messages: []llm.Message{turn(llm.User, text("x"))}, Format: llm.Format{Mode: llm.FormatJSON}, Reasoning: llm.Reasoning{Effort: "none", Off: true}}, ""},
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range requests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.Dialect, tt.want.Model = llm.Responses, "m"
			got, err := responses.Dialect{}.DecodeRequest([]byte(tt.body), dialect.At{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			body, dropped, err := responses.Dialect{}.EncodeRequest(got, dialect.Target{Model: "m", Stream: got.Stream})
			if err != nil || len(dropped) > 0 {
				t.Fatalf("%v, dropped %v", err, dropped)
			}
			if tt.back == "" {
				tt.back = tt.body
			}
			if diff := cmp.Diff(value(t, []byte(tt.back)), value(t, body), cmp.FilterPath(includes, cmpopts.SortSlices(func(a, b any) bool { return a.(string) < b.(string) })),
				cmpopts.IgnoreMapEntries(func(k string, v any) bool { return k == "include" && len(v.([]any)) == 1 })); diff != "" {
				t.Errorf("for an upstream (-want +got):\n%s", diff)
			}
			again, err := responses.Dialect{}.DecodeRequest(body, dialect.At{})
			again.Include = got.Include
			if diff := cmp.Diff(got, again); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func includes(p cmp.Path) bool {
	return slices.ContainsFunc(p, func(s cmp.PathStep) bool { return s.String() == `["include"]` })
}

func value(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return v
}

func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, err := responses.Dialect{}.DecodeRequest(rec.Request, dialect.At{})
			if err != nil {
				t.Fatal(err)
			}
			body, dropped, err := responses.Dialect{}.EncodeRequest(first, dialect.Target{Model: first.Model, Stream: first.Stream})
			if err != nil || len(dropped) > 0 {
				t.Fatalf("%v, dropped %v", err, dropped)
			}
			second, err := responses.Dialect{}.DecodeRequest(body, dialect.At{})
			if err != nil {
				t.Fatal(err)
			}
			second.Include = first.Include
			if diff := cmp.Diff(first, second, jsonEqual()); diff != "" {
				t.Errorf("(-first +second):\n%s", diff)
			}
			if _, err := (responses.Dialect{}).Scan(body, dialect.At{}); err != nil {
				t.Errorf("what was written does not scan: %v", err)
			}
		})
	}
}

// jsonEqual compares what is passed on by its value.
func jsonEqual() cmp.Option {
	return cmp.Transformer("JSON", func(raw llm.JSON) any {
		var v any
		_ = json.Unmarshal(raw, &v) // what is none is nil
		return v
	})
}

func TestDecodeRequestRefuses(t *testing.T) {
	t.Parallel()
	const open = `{"model":"m","input":[`
	for _, tt := range []struct{ name, body, param, code string }{
		{"no JSON", `{"model":`, "model", ""},
		{"a list", `[]`, "", ""},
		{"no model", `{"input":"x"}`, "model", "missing_required_parameter"},
		{"no input", `{"model":"m","input":[]}`, "input", "missing_required_parameter"},
		{"a name twice", `{"model":"m","input":"x","top_p":1,"top_p":0}`, "top_p", "duplicate_parameter"},
		{"temperature as a text", `{"model":"m","input":"x","temperature":"hot"}`, "temperature", "invalid_type"},
		{"strict as a text", `{"model":"m","input":"x","text":{"format":{"type":"json_schema","strict":"no"}}}`, "text.format.strict", "invalid_type"},
		{"unknown role", open + `{"role":"king","content":"x"}]}`, "input[0].role", "invalid_value"},
		{"no content", open + `{"role":"user"}]}`, "input[0].content", "missing_required_parameter"},
		{"unknown part", open + `{"role":"user","content":[{"type":"hologram"}]}]}`, "input[0].content[0].type", "invalid_value"},
		{"a part without text", open + `{"role":"user","content":[{"type":"input_text"}]}]}`, "input[0].content[0].text", "missing_required_parameter"},
		{"a part as a number", open + `{"role":"user","content":[{"type":"input_text","text":7}]}]}`, "input[0].content[0].text", "invalid_type"},
		{"an empty picture", open + `{"role":"user","content":[{"type":"input_image"}]}]}`, "input[0].content[0]", "missing_required_parameter"},
		{"a picture that is none", open + `{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,?"}]}]}`, "input[0].content[0]", "invalid_value"},
		{"a file that is none", open + `{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"?"}]}]}`, "input[0].content[0]", "invalid_value"},
		{"a sound that is none", open + `{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"?","format":"wav"}}]}]}`, "input[0].content[0].input_audio.data", "invalid_value"},
		{"a call without a name", open + `{"type":"function_call","call_id":"c","arguments":"{}"}]}`, "input[0]", "missing_required_parameter"},
		{"a tool without a type", `{"model":"m","input":"x","tools":[{}]}`, "tools[0].type", "missing_required_parameter"},
		{"a tool without a name", `{"model":"m","input":"x","tools":[{"type":"function"}]}`, "tools[0].name", "missing_required_parameter"},
		{"unknown choice", `{"model":"m","input":"x","tool_choice":"perhaps"}`, "tool_choice", "invalid_value"},
	} {
		_, err := responses.Dialect{}.DecodeRequest([]byte(tt.body), dialect.At{})
		var e *llm.RequestError
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v is no RequestError", tt.name, err)
			continue
		}
		if e.Param != tt.param || e.Code != tt.code || e.Message == "" {
			t.Errorf("%s: param %q, code %q, message %q; want param %q, code %q", tt.name, e.Param, e.Code, e.Message, tt.param, tt.code)
		}
	}
}

// TestContentOfFiles holds that a file reaches other dialects as base64 in its standard form, whatever it was in.
func TestContentOfFiles(t *testing.T) {
	t.Parallel()
	for part, want := range map[string]llm.Attachment{
		`{"type":"input_image","image_url":"data:image/png;base64,-_-_"}`:                    {Kind: llm.Image, MIMEType: "image/png", Data: "+/+/"},
		`{"type":"input_image","image_url":"data:image/svg+xml,%3Csvg/%3E"}`:                 {Kind: llm.Image, MIMEType: "image/svg+xml", Data: "PHN2Zy8+"},
		`{"type":"input_file","filename":"a.txt","file_data":"data:text/plain,a%20b"}`:       {Kind: llm.Document, MIMEType: "text/plain", Name: "a.txt", Data: "YSBi"},
		`{"type":"input_file","filename":"a.pdf","file_data":"JVBERg"}`:                      {Kind: llm.Document, MIMEType: "application/pdf", Name: "a.pdf", Data: "JVBERg=="},
		`{"type":"input_audio","input_audio":{"data":"-_-_","format":"wav"}}`:                {Kind: llm.Audio, MIMEType: "audio/wav", Data: "+/+/"},
		`{"type":"input_file","file_url":"https://example.com/a.pdf"}`:                       {Kind: llm.Document, URL: "https://example.com/a.pdf"},
		`{"type":"input_image","image_url":"data:image/png;base64,iVBORw==","detail":"low"}`: {Kind: llm.Image, MIMEType: "image/png", Data: "iVBORw==", Detail: "low"},
	} {
		r, err := responses.Dialect{}.DecodeRequest([]byte(`{"model":"m","input":[{"role":"user","content":[`+part+`]}]}`), dialect.At{})
		if err != nil {
			t.Errorf("%s: %v", part, err)
			continue
		}
		if got := r.Messages[0].Blocks[0].Media; *got != want {
			t.Errorf("%s is read as %+v", part, got)
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, tt := range requests {
		f.Add(tt.body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, err := responses.Dialect{}.DecodeRequest([]byte(body), dialect.At{})
		if err != nil {
			var e *llm.RequestError
			if !errors.As(err, &e) || e.Message == "" {
				t.Fatalf("error %v is no RequestError", err)
			}
			return
		}
		out, _, err := responses.Dialect{}.EncodeRequest(r, dialect.Target{Model: "m"})
		if err != nil || !json.Valid(out) {
			t.Fatalf("%v in %s", err, out)
		}
	})
}
