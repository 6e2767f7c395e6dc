package openai_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// anthropicTurn is an answer with other vendors' states in it.
func anthropicTurn() *llm.Response {
	signed := func(origin, text, data string) llm.Block {
		return llm.Block{Kind: llm.Thinking, Text: text, State: llm.State{Origin: origin, Data: data}}
	}
	sealed := signed(llm.Anthropic, "", "sealed")
	sealed.State.Redacted = true
	one := call("a", "f", `{"x":1}`)
	one.State = llm.State{Origin: llm.Gemini, Data: "ts"}
	return &llm.Response{ID: "r1", Model: "m", Created: 7, Candidates: []llm.Candidate{{Finish: llm.FinishTools, Reason: "tool_use",
		Blocks: []llm.Block{signed(llm.Anthropic, "hm", "sig"), sealed, text("see"), one, call("b", "g", `{}`)}}}}
}

// What another vendor signed comes back from a client of this dialect, whether it keeps reasoning_details or not.
func TestStatesComeBack(t *testing.T) {
	t.Parallel()
	answer := anthropicTurn()
	want := append([]llm.Block(nil), answer.Candidates[0].Blocks...)
	want[4].Call.Input = ""
	whole := openai.Dialect{}.EncodeResponse(answer, &llm.Request{Model: "m"})
	for _, keeps := range []bool{true, false} {
		for form, message := range map[string]map[string]any{"at once": wholeMessage(t, whole), "streamed": streamedMessage(t, write(t, answer, &llm.Request{Model: "m"}))} {
			if !keeps {
				delete(message, "reasoning_details")
			}
			turn, err := json.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			id := message["tool_calls"].([]any)[0].(map[string]any)["id"].(string)
			body := `{"model":"m","messages":[{"role":"user","content":"hi"},` + string(turn) + `,{"role":"tool","tool_call_id":"` + id + `","content":"1"}]}`
			if !llm.Carries([]byte(body)) {
				t.Error("nothing is carried")
			}
			got := decode(t, body)
			if diff := cmp.Diff(want, got.Messages[1].Blocks, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s, details kept %v (-want +got):\n%s", form, keeps, diff)
			}
			if r := got.Messages[2].Blocks[0].Result; r.CallID != "a" || r.Name != "f" {
				t.Errorf("result of %q, %q", r.CallID, r.Name)
			}
		}
	}
}

func wholeMessage(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var r struct {
		Choices []struct{ Message map[string]any }
	}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	return r.Choices[0].Message
}

// streamedMessage puts a stream together as clients do.
func streamedMessage(t *testing.T, stream string) map[string]any {
	t.Helper()
	m := map[string]any{"role": "assistant"}
	var calls, details []any
	for line := range strings.SplitSeq(stream, "\n\n") {
		document, ok := strings.CutPrefix(line, "data: {")
		if !ok {
			continue
		}
		var c struct {
			Choices []struct{ Delta map[string]any }
		}
		if err := json.Unmarshal([]byte("{"+document), &c); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		for key, value := range c.Choices[0].Delta {
			switch key {
			case "tool_calls":
				piece := value.([]any)[0].(map[string]any)
				if at := int(piece["index"].(float64)); at == len(calls) {
					calls = append(calls, piece)
				} else {
					f := calls[at].(map[string]any)["function"].(map[string]any)
					f["arguments"] = f["arguments"].(string) + piece["function"].(map[string]any)["arguments"].(string)
				}
			case "reasoning_details":
				details = append(details, value.([]any)...)
			case "content", "reasoning_content":
				before, _ := m[key].(string)
				m[key] = before + value.(string)
			}
		}
	}
	m["tool_calls"], m["reasoning_details"] = calls, details
	return m
}

func TestEncoder(t *testing.T) {
	t.Parallel()
	head := func(delta, finish string) string {
		if finish != "null" {
			finish = `"` + finish + `"`
		}
		return `{"id":"r1","object":"chat.completion.chunk","created":7,"model":"m","service_tier":"flex","system_fingerprint":"fp","choices":[{"index":0,"delta":{` + delta + `},"logprobs":null,"finish_reason":` + finish + `}],"usage":null}`
	}
	got := write(t, &llm.Response{ID: "r1", Model: "m", Created: 7, ServiceTier: "flex", Fingerprint: "fp", HasUsage: true,
		Usage: llm.Usage{Input: 10, CachedInput: 5, CacheWrite5m: 1, CacheWrite1h: 2, Output: 9, Reasoning: 4, AudioInput: 1},
		Candidates: []llm.Candidate{{Finish: llm.FinishTools, Blocks: []llm.Block{unsigned("hm"), text("sé\n"), {Kind: llm.Text, Text: "e", Citations: []llm.Citation{{Start: 0, End: 1, URL: "u", Title: "t"}, {Cited: "no address"}}},
			{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "x"}, call("a", "f", `{"x":1}`), call("b", "g", ""), {Kind: llm.ToolCall, Call: llm.Call{ID: "c", Name: "h", Input: "in", Custom: true}},
			{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA"}}}}}}, &llm.Request{IncludeUsage: true})
	want := data(
		head(`"role":"assistant","reasoning_content":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","index":0}]`, "null"),
		head(`"content":"sé\n"`, "null"), head(`"content":"e"`, "null"),
		head(`"annotations":[{"type":"url_citation","url_citation":{"start_index":3,"end_index":4,"url":"u","title":"t"}}]`, "null"),
		head(`"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]`, "null"), head(`"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":1}"}}]`, "null"),
		head(`"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]`, "null"), head(`"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]`, "null"),
		head(`"tool_calls":[{"index":2,"id":"c","type":"custom","custom":{"name":"h","input":""}}]`, "null"), head(`"tool_calls":[{"index":2,"custom":{"input":"in"}}]`, "null"),
		head(`"images":[{"type":"image_url","index":0,"image_url":{"url":"data:image/png;base64,AAAA"}}]`, "null"),
		head("", "tool_calls"),
		`{"id":"r1","object":"chat.completion.chunk","created":7,"model":"m","service_tier":"flex","system_fingerprint":"fp","choices":[],"usage":{"prompt_tokens":18,"completion_tokens":9,"total_tokens":27,`+
			`"prompt_tokens_details":{"cached_tokens":5,"audio_tokens":1,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":4,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}`,
		"[DONE]")
	if diff := cmp.Diff(strings.Split(want, "\n\n"), strings.Split(got, "\n\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	plain := write(t, &llm.Response{ID: "r1", Model: "m", Created: 7, HasUsage: true, Usage: llm.Usage{Input: 1}, Candidates: []llm.Candidate{{Finish: llm.FinishStop, Blocks: []llm.Block{text("a")}}}}, &llm.Request{})
	if strings.Contains(plain, "usage") || !strings.HasSuffix(plain, "data: [DONE]\n\n") {
		t.Errorf("usage that nobody asked for: %s", plain)
	}
	alive, _ := openai.Dialect{}.Encoder(&llm.Request{}).Append(nil, &llm.Event{Kind: llm.Alive})
	if string(alive) != string((openai.Dialect{}).KeepAlive()) {
		t.Errorf("a ping is %q", alive)
	}
}

func TestEncodeResponse(t *testing.T) {
	t.Parallel()
	got := openai.Dialect{}.EncodeResponse(&llm.Response{ID: "r1", Model: "m", Created: 7, Candidates: []llm.Candidate{
		{Finish: llm.FinishRefusal, Blocks: []llm.Block{{Kind: llm.Refusal, Text: "no"}}},
		{Index: 1, Finish: llm.FinishTools, Blocks: []llm.Block{unsigned("hm"), call("a", "f", ""), call("b", "g", "1")}},
		{Index: 2, Finish: llm.FinishContext, Blocks: []llm.Block{{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, FileID: "au", Data: "AAAA", Text: "hi"}}}},
	}}, &llm.Request{})
	want := `{"id":"r1","object":"chat.completion","created":7,"model":"m","choices":[` +
		`{"index":0,"message":{"role":"assistant","content":null,"refusal":"no","annotations":[]},"logprobs":null,"finish_reason":"stop"},` +
		`{"index":1,"message":{"role":"assistant","content":null,"refusal":null,"annotations":[],"reasoning_content":"hm","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"1"}}]},"logprobs":null,"finish_reason":"tool_calls"},` +
		`{"index":2,"message":{"role":"assistant","content":"","refusal":null,"annotations":[],"audio":{"id":"au","expires_at":0,"data":"AAAA","transcript":"hi"}},"logprobs":null,"finish_reason":"length"}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Callers who know functions only get function_call, and one of it.
func TestFunctionsAreAnsweredAsFunctions(t *testing.T) {
	t.Parallel()
	answer := &llm.Response{ID: "r1", Model: "m", Created: 7, Candidates: []llm.Candidate{{Finish: llm.FinishTools, Blocks: []llm.Block{call("a", "f", `{"x":1}`), call("b", "g", "2")}}}}
	to := &llm.Request{Functions: true}
	if got := string(openai.Dialect{}.EncodeResponse(answer, to)); !strings.Contains(got, `"function_call":{"name":"f","arguments":"{\"x\":1}"}},"logprobs":null,"finish_reason":"function_call"`) || strings.Contains(got, "tool_calls") {
		t.Error(got)
	}
	stream := write(t, answer, to)
	for _, want := range []string{`"function_call":{"name":"f","arguments":""}`, `"function_call":{"arguments":"{\"x\":1}"}`, `"finish_reason":"function_call"`} {
		if strings.Count(stream, want) != 1 {
			t.Errorf("%s is not in %s", want, stream)
		}
	}
	if strings.Contains(stream, "tool_calls") || strings.Contains(stream, `"g"`) {
		t.Error(stream)
	}
}

func TestFinishWords(t *testing.T) {
	t.Parallel()
	for f, want := range map[llm.Finish]string{llm.FinishUnknown: "stop", llm.FinishStop: "stop", llm.FinishStopSequence: "stop", llm.FinishLength: "length", llm.FinishContext: "length", llm.FinishTools: "tool_calls",
		llm.FinishFilter: "content_filter", llm.FinishRefusal: "content_filter", llm.FinishPause: "stop", llm.FinishMalformed: "stop", llm.FinishError: "error"} {
		if got := string(openai.Dialect{}.EncodeResponse(&llm.Response{Candidates: []llm.Candidate{{Finish: f}}}, &llm.Request{Model: "m"})); !strings.Contains(got, `"finish_reason":"`+want+`"`) {
			t.Errorf("%d: %s", f, got)
		}
	}
}

// Thinking is held for the ids of calls, up to a limit.
func TestEncoderHoldsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	e := openai.Dialect{}.Encoder(&llm.Request{Model: "m"})
	piece := strings.Repeat("x", 1<<20)
	out, err := e.Append(nil, &llm.Event{Kind: llm.Open, Block: llm.Block{Kind: llm.Thinking}})
	for i := 0; err == nil && i < 32; i++ {
		out, err = e.Append(out[:0], &llm.Event{Kind: llm.Delta, Text: piece})
	}
	if !errors.Is(err, dialect.ErrTooLong) {
		t.Errorf("32 MiB of thinking: %v", err)
	}
}

func TestCompletions(t *testing.T) {
	t.Parallel()
	c := openai.Completions{}
	for _, body := range []string{`{"model":"m","prompt":"once","max_tokens":9,"logprobs":2,"echo":true,"suffix":"x","best_of":3}`, `{"best_of":3,"suffix":"x","echo":true,"prompt":["once"],"max_tokens":9,"logprobs":2,"model":"m"}`} {
		r, err := c.DecodeRequest([]byte(body), dialect.At{})
		if err != nil {
			t.Fatal(err)
		}
		want := &llm.Request{Dialect: llm.OpenAI, Model: "m", MaxTokens: 9, Logprobs: true, TopLogprobs: 2, Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{text("once")}}},
			Extra: map[string]llm.JSON{"echo": llm.JSON("true"), "suffix": llm.JSON(`"x"`), "best_of": llm.JSON("3")}}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		out, drops, err := c.EncodeRequest(r, dialect.Target{Model: "m", Host: "api.openai.com"})
		if want := `{"model":"m","max_tokens":9,"prompt":"once","logprobs":2}`; err != nil || string(out) != want || len(drops) != 3 {
			t.Errorf("%s, dropped %v, %v", out, drops, err)
		}
	}
	for body, param := range map[string]string{`{"model":"m","prompt":["a","b"]}`: "prompt", `{"model":"m","prompt":[1,2]}`: "prompt", `{"model":"m","prompt":{}}`: "prompt", `{"prompt":"a"}`: "model",
		`{"model":"m","prompt":"a","logprobs":9}`: "logprobs", `{"model":"m","prompt":"a","n":0}`: "n", `[]`: ""} {
		var e *llm.RequestError
		if _, err := c.DecodeRequest([]byte(body), dialect.At{}); !errors.As(err, &e) || e.Param != param {
			t.Errorf("%s: %v", body, err)
		}
	}
	answer := &llm.Response{ID: "r1", Model: "m", Created: 7, HasUsage: true, Usage: llm.Usage{Input: 1, Output: 2}, Candidates: []llm.Candidate{{Finish: llm.FinishTools,
		Blocks: []llm.Block{unsigned("hm"), text("é"), text("b"), call("a", "f", "")}, Logprobs: []llm.Logprob{{Token: "é", Logprob: -1, Top: []llm.Logprob{{Token: "e", Logprob: -2}}}, {Token: "b", Logprob: -3}}}}}
	const usage = `{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`
	const head = `{"id":"r1","object":"text_completion","created":7,"model":"m","choices":[`
	const probs = `{"tokens":["é","b"],"token_logprobs":[-1,-3],"top_logprobs":[{"e":-2},{}],"text_offset":[0,1]}`
	if got, want := string(c.EncodeResponse(answer, &llm.Request{})), head+`{"text":"éb","index":0,"logprobs":`+probs+`,"finish_reason":"stop"}],"usage":`+usage+`}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e := c.Encoder(&llm.Request{IncludeUsage: true})
	var out []byte
	if err := answer.Events(func(ev *llm.Event) (err error) { out, err = e.Append(out, ev); return err }); err != nil {
		t.Fatal(err)
	}
	choice := func(text, probs, finish string) string {
		return head + `{"text":"` + text + `","index":0,"logprobs":` + probs + `,"finish_reason":` + finish + `}],"usage":null}`
	}
	want := data(choice("é", "null", "null"), choice("b", "null", "null"), choice("", probs, "null"), choice("", "null", `"stop"`), head+`],"usage":`+usage+`}`, "[DONE]")
	if diff := cmp.Diff(strings.Split(want, "\n\n"), strings.Split(string(e.AppendEnd(out)), "\n\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkEncoder(b *testing.B) {
	e := openai.Dialect{}.Encoder(&llm.Request{Model: "m", IncludeUsage: true})
	out, _ := e.Append(nil, &llm.Event{Kind: llm.Start, ID: "chatcmpl-1", Model: "gpt-4o-mini", Created: 7})
	out, _ = e.Append(out[:0], &llm.Event{Kind: llm.Open, Block: llm.Block{Kind: llm.Text}})
	delta := &llm.Event{Kind: llm.Delta, Text: " Hello"}
	b.ReportAllocs()
	for b.Loop() {
		out, _ = e.Append(out[:0], delta)
	}
}

func BenchmarkTranslateRequest(b *testing.B) {
	body := []byte(`{"model":"gpt-4o","stream":true,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"` + strings.Repeat("The quick brown fox. ", 90) + `"}]}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r, err := openai.Dialect{}.DecodeRequest(body, dialect.At{})
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := (openai.Dialect{}).EncodeRequest(r, dialect.Target{Model: "m", Stream: true, Host: "api.openai.com"}); err != nil {
			b.Fatal(err)
		}
	}
}

// A custom tool that an upstream knows as a function comes back as what the caller knows.
func TestCustomToolsAreUnwrapped(t *testing.T) {
	t.Parallel()
	to := &llm.Request{Tools: []llm.Tool{{Name: "patch", Grammar: llm.JSON("{}")}, {Name: "f"}}}
	r := &llm.Response{ID: "r", Model: "m", Created: 7, Candidates: []llm.Candidate{{Finish: llm.FinishTools, Blocks: []llm.Block{
		call("a", "patch", `{"input":"*** Begin\n"}`), call("b", "f", `{"input":"x"}`), call("c", "patch", `{"input":"broken`)}}}}
	want := `[{"custom":{"input":"*** Begin\n","name":"patch"},"id":"a","type":"custom"},{"function":{"arguments":"{\"input\":\"x\"}","name":"f"},"id":"b","type":"function"},` +
		`{"custom":{"input":"{\"input\":\"broken","name":"patch"},"id":"c","type":"custom"}]`
	var whole struct {
		Choices []struct {
			Message struct {
				Calls []any `json:"tool_calls"`
			} `json:"message"`
		} `json:"choices"`
	}
	body := openai.Dialect{}.EncodeResponse(r, to)
	if err := json.Unmarshal(body, &whole); err != nil || len(whole.Choices) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	if got, _ := json.Marshal(whole.Choices[0].Message.Calls); string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	stream := write(t, r, to)
	for _, piece := range []string{`{"index":0,"id":"a","type":"custom","custom":{"name":"patch","input":""}}`, `{"index":0,"custom":{"input":"*** Begin\n"}}`,
		`{"index":1,"function":{"arguments":"{\"input\":\"x\"}"}}`, `{"index":2,"custom":{"input":"{\"input\":\"broken"}}`} {
		if !strings.Contains(stream, piece) {
			t.Errorf("no %s in\n%s", piece, stream)
		}
	}
}
