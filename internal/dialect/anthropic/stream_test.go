package anthropic_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// lines shows a stream as its data alone, with the constant parts of events cut short.
func lines(t testing.TB, stream string) string {
	t.Helper()
	var out []string
	for event := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(event, "\n")
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &e); err != nil || !ok || name != "event: "+e.Type {
			t.Fatalf("%q is no event", event)
		}
		data = strings.TrimPrefix(data, "data: ")
		out = append(out, strings.TrimPrefix(data, `{"type":"content_block_`))
	}
	return strings.Join(out, "\n")
}

func TestEncoder(t *testing.T) {
	t.Parallel()
	open := func(i int, b llm.Block) llm.Event { return llm.Event{Kind: llm.Open, Index: i, Block: b} }
	delta := func(i int, s string) llm.Event { return llm.Event{Kind: llm.Delta, Index: i, Text: s} }
	end := func(i int) llm.Event { return llm.Event{Kind: llm.Close, Index: i} }
	const usage = `"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":0}}`
	finish := func(reason string) string {
		return `{"type":"message_delta","delta":{"stop_reason":"` + reason + `","stop_sequence":null},` + usage + "\n" + `{"type":"message_stop"}`
	}
	tests := []struct {
		name   string
		events []llm.Event
		want   string
	}{
		{"interleaved calls", []llm.Event{
			open(0, call("a", "f", "")), open(1, call("b", "g", "")), delta(1, `{"y"`), delta(0, `{"x"`), delta(1, `:2}`), open(2, call("c", "h", "")), end(1), delta(0, `:1}`), end(0), end(2),
			{Kind: llm.Finished, Finish: llm.FinishStop}},
			`start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}
delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"x\""}}
delta","index":0,"delta":{"type":"input_json_delta","partial_json":":1}"}}
stop","index":0}
start","index":1,"content_block":{"type":"tool_use","id":"b","name":"g","input":{}}}
delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"y\":2}"}}
stop","index":1}
start","index":2,"content_block":{"type":"tool_use","id":"c","name":"h","input":{}}}
stop","index":2}
` + finish("tool_use")},
		{"thinking of all sorts", []llm.Event{
			open(0, llm.Block{Kind: llm.Thinking}), end(0),
			open(1, llm.Block{Kind: llm.Thinking}), delta(1, "hm"), {Kind: llm.Sign, Index: 1, State: llm.State{Origin: llm.Anthropic, Data: "sig"}}, end(1),
			open(2, llm.Block{Kind: llm.Thinking}), {Kind: llm.Sign, Index: 2, State: llm.State{Origin: llm.Anthropic, Data: "xx", Redacted: true}}, end(2),
			open(3, llm.Block{Kind: llm.Thinking}), delta(3, "so"), end(3)},
			`start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}
stop","index":0}
start","index":1,"content_block":{"type":"redacted_thinking","data":"xx"}}
stop","index":1}
start","index":2,"content_block":{"type":"thinking","thinking":"","signature":""}}
delta","index":2,"delta":{"type":"thinking_delta","thinking":"so"}}
stop","index":2}
` + finish("end_turn")},
		{"refusal, citation, picture, foreign and other candidate's", []llm.Event{
			open(0, llm.Block{Kind: llm.Text}), {Kind: llm.Cite, Citation: llm.Citation{URL: "u", Title: "t"}}, {Kind: llm.Cite, Citation: llm.Citation{Cited: "c", Document: 1}}, end(0),
			open(1, llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AA"}}), end(1),
			open(2, llm.Block{Kind: llm.Opaque, Vendor: llm.Gemini}), end(2),
			{Kind: llm.Open, Index: 3, Candidate: 1, Block: text("")}, {Kind: llm.Delta, Index: 3, Candidate: 1, Text: "no"}, {Kind: llm.Close, Index: 3, Candidate: 1},
			open(4, llm.Block{Kind: llm.Refusal}), delta(4, "no"), end(4), {Kind: llm.Alive}, {Kind: llm.Finished, Finish: llm.FinishStop}},
			`start","index":0,"content_block":{"type":"text","text":""}}
delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"u","title":"t","cited_text":"","encrypted_index":"_aih1_"}}}
delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"c","document_index":1,"document_title":"","start_char_index":0,"end_char_index":0,"file_id":"_aih1_"}}}
stop","index":0}
start","index":1,"content_block":{"type":"text","text":"![image](data:image/png;base64,AA)"}}
stop","index":1}
start","index":2,"content_block":{"type":"text","text":""}}
delta","index":2,"delta":{"type":"text_delta","text":"no"}}
stop","index":2}
{"type":"ping"}
` + finish("refusal")},
		{"a custom call, never closed", []llm.Event{open(0, llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "a", Name: "p", Custom: true}}), delta(0, "x\n\"y")},
			`start","index":0,"content_block":{"type":"tool_use","id":"a","name":"p","input":{}}}
delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"input\":\""}}
delta","index":0,"delta":{"type":"input_json_delta","partial_json":"x\\n\\\"y"}}
delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"}"}}
stop","index":0}
` + finish("tool_use")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stream := encodeStream(t, append([]llm.Event{{Kind: llm.Start, ID: "i", Model: "m"}}, tt.events...))
			checkStream(t, stream)
			want := `{"type":"message_start","message":{"id":"i","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,` + usage + "}\n" + tt.want
			if diff := cmp.Diff(want, lines(t, stream)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncoderEnds(t *testing.T) {
	t.Parallel()
	for finish, want := range map[llm.Finish]string{llm.FinishUnknown: "end_turn", llm.FinishStop: "end_turn", llm.FinishStopSequence: "stop_sequence", llm.FinishLength: "max_tokens",
		llm.FinishContext: "model_context_window_exceeded", llm.FinishTools: "tool_use", llm.FinishFilter: "refusal", llm.FinishRefusal: "refusal", llm.FinishPause: "pause_turn",
		llm.FinishMalformed: "end_turn", llm.FinishError: "end_turn"} {
		sequence := ""
		if finish == llm.FinishStopSequence {
			sequence = "END"
		}
		u := llm.Usage{Input: 1, CachedInput: 2, CacheWrite5m: 3, CacheWrite1h: 4, Output: 50, Reasoning: 6, ToolUses: 7}
		stream := encodeStream(t, []llm.Event{{Kind: llm.Start, Usage: llm.Usage{Input: 1}}, {Kind: llm.Finished, Finish: finish, StopSequence: sequence}, {Kind: llm.Used, Usage: u}})
		got, _, whole := decodeStream(t, stream, 10)
		if c := got.Candidates[0]; c.Reason != want || c.StopSequence != sequence || got.Usage != u || !whole || got.Model != "asked" || !strings.HasPrefix(got.ID, "msg_") {
			t.Errorf("%v became %+v", finish, got)
		}
	}
}

func TestEncoderHoldsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	x := anthropic.Dialect{}.Encoder(nil)
	piece := strings.Repeat("x", 1<<20)
	var err error
	for i := 0; err == nil && i < 100; i++ {
		for _, e := range []llm.Event{{Kind: llm.Open, Index: 0, Block: call("a", "f", "")}, {Kind: llm.Open, Index: 1, Block: call("b", "f", "")}, {Kind: llm.Delta, Index: 1, Text: piece}} {
			if i == 0 || e.Kind == llm.Delta {
				_, err = x.Append(nil, &e)
			}
		}
	}
	if !errors.Is(err, dialect.ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
}

const start = `data: {"type":"message_start","message":{"id":"i","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}` + "\n\n"

func block0(begin string, deltas ...string) string {
	s := `data: {"type":"content_block_start","index":0,"content_block":` + begin + "}\n\n"
	for _, d := range deltas {
		s += `data: {"type":"content_block_delta","index":0,"delta":` + d + "}\n\n"
	}
	return s + `data: {"type":"content_block_stop","index":0}` + "\n\n"
}

func ended(reason string) string {
	return `data: {"type":"message_delta","delta":{"stop_reason":"` + reason + `"},"usage":{"output_tokens":9}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n"
}

func TestDecoder(t *testing.T) {
	t.Parallel()
	pieces := func(parts ...string) []string {
		var out []string
		for _, p := range parts {
			quoted, _ := json.Marshal(p)
			out = append(out, `{"type":"input_json_delta","partial_json":`+string(quoted)+`}`)
		}
		return out
	}
	tests := []struct {
		name, stream string
		want         llm.Block
		finish       llm.Finish
	}{
		{"the format's tool", block0(`{"type":"tool_use","id":"t","name":"aih_answer_json","input":{}}`, pieces("", `{"a"`, `:1}`)...) + ended("tool_use"), text(`{"a":1}`), llm.FinishStop},
		{"the format's tool, empty", block0(`{"type":"tool_use","id":"t","name":"aih_answer_json","input":{}}`) + ended("tool_use"), text(`{}`), llm.FinishStop},
		{"a custom tool", block0(`{"type":"tool_use","id":"t","name":"aih_text_p","input":{}}`, pieces(`{"in`, `put":"a\`, `n\"b\u00e`, `9"}`)...) + ended("tool_use"),
			llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "t", Name: "p", Input: "a\n\"bé", Custom: true}}, llm.FinishTools},
		{"an odd name", block0(`{"type":"tool_use","id":"t","name":"aih_hex_612e62","input":{}}`, pieces(`{}`)...) + ended("tool_use"), call("t", "a.b", "{}"), llm.FinishTools},
		{"arguments with the call", block0(`{"type":"tool_use","id":"t","name":"f","input":{"a":1}}`) + ended("tool_use"), call("t", "f", `{"a":1}`), llm.FinishTools},
		{"text with the block, unknown event and delta", `data: {"type":"later"}` + "\n\n" + block0(`{"type":"text","text":"a"}`, `{"type":"text_delta","text":"b"}`, `{"type":"later_delta"}`) + ended("end_turn"), text("ab"), llm.FinishStop},
		{"an unknown block", block0(`{"type":"later","x":1}`) + ended("pause_turn"), llm.Block{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "later", Raw: llm.JSON(`{"type":"later","x":1}`)}, llm.FinishPause},
		{"a vendor's tool", block0(`{"type":"server_tool_use","id":"s","name":"web_search","input":{}}`, pieces(`{"q":`, `1}`)...) + ended("end_turn"),
			llm.Block{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "server_tool_use", Raw: llm.JSON(`{"id":"s","input":{"q":1},"name":"web_search","type":"server_tool_use"}`)}, llm.FinishStop},
		{"a compaction", block0(`{"type":"compaction","content":null}`, `{"type":"compaction_delta","content":"s","encrypted_content":"e"}`) + ended("end_turn"),
			llm.Block{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "compaction", Raw: llm.JSON(`{"content":"s","encrypted_content":"e","type":"compaction"}`)}, llm.FinishStop},
		{"never closed", strings.Replace(block0(`{"type":"text","text":""}`, `{"type":"text_delta","text":"b"}`), `data: {"type":"content_block_stop","index":0}`, "", 1) + ended("max_tokens"), text("b"), llm.FinishLength},
		{"a refusal with its reason", `data: {"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","explanation":"no"}}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n", llm.Block{Kind: llm.Refusal, Text: "no"}, llm.FinishRefusal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{1, 7, 1 << 20} {
				got, _, whole := decodeStream(t, start+tt.stream, n)
				want := []llm.Candidate{{Blocks: []llm.Block{tt.want}, Finish: tt.finish, Reason: got.Candidates[0].Reason}}
				if diff := cmp.Diff(want, got.Candidates); diff != "" || !whole {
					t.Errorf("whole %v (-want +got):\n%s", whole, diff)
				}
			}
		})
	}
}

func TestDecoderFails(t *testing.T) {
	t.Parallel()
	d := anthropic.Dialect{}.Decoder()
	for _, data := range []string{``, `{`, `[]`, `{"type":5}`, `{"type":"content_block_start","index":0}`, `{"type":"content_block_start","content_block":{"x":1}}`, `[DONE]`} {
		if _, err := d.Decode([]byte(data), func(*llm.Event) error { return nil }); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", data, err)
		}
	}
	var failed *llm.Error
	done, err := d.Decode([]byte(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`), func(e *llm.Event) error { failed = e.Err; return nil })
	if !done || err != nil || failed == nil || failed.Class != llm.Overloaded {
		t.Errorf("done %v, %v, %+v", done, err, failed)
	}
	if whole, _ := d.End(nil); whole {
		t.Error("a stream that failed is whole")
	}
	stop := errors.New("stop")
	if _, err := d.Decode([]byte(`{"type":"ping"}`), func(*llm.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("emit's error became %v", err)
	}
	for _, body := range []string{``, `[]`, `{}`, `{"content":[{"x":1}]}`, `{"content":5}`} {
		if _, err := (anthropic.Dialect{}).DecodeResponse([]byte(body)); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", body, err)
		}
	}
	var e *llm.Error
	if _, err := (anthropic.Dialect{}).DecodeResponse([]byte(`{"type":"error","error":{"type":"api_error","message":"x"}}`)); !errors.As(err, &e) || e.Class != llm.ServerError {
		t.Errorf("an error for an answer: %v", err)
	}
}

// wholesome feeds anything to a decoder and its events to an encoder, whose stream must be in order whatever came.
func wholesome(t testing.TB, stream string) {
	d := anthropic.Dialect{}.Decoder()
	x := anthropic.Dialect{}.Encoder(nil)
	var out []byte
	began := false
	emit := func(e *llm.Event) error {
		began = began || e.Kind == llm.Start
		if e.Kind == llm.Failed || !began {
			return nil
		}
		var err error
		out, err = x.Append(out, e)
		return err
	}
	for data := range strings.SplitSeq(stream, "\n") {
		if data, ok := strings.CutPrefix(data, "data:"); ok {
			if done, err := d.Decode([]byte(data), emit); err != nil || done {
				break
			}
		}
	}
	if _, err := d.End(emit); err != nil {
		t.Error(err)
	}
	open := false
	for line := range strings.SplitSeq(string(x.AppendEnd(out)), "\n") {
		switch {
		case strings.HasPrefix(line, "event: content_block_start"):
			if open {
				t.Errorf("two blocks are open in %s", out)
			}
			open = true
		case strings.HasPrefix(line, "event: content_block_stop"):
			open = false
		case strings.HasPrefix(line, "data: "):
			if !json.Valid([]byte(line[6:])) {
				t.Errorf("%s is not JSON", line)
			}
		}
	}
}

func TestMutatedStreams(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if rec.Lines == nil || len(rec.Lines) > 300 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				all := append([]string(nil), rec.Lines...)
				for range rapid.IntRange(1, 4).Draw(rt, "changes") {
					i := rapid.IntRange(0, len(all)-1).Draw(rt, "line")
					j := rapid.IntRange(0, len(all)-1).Draw(rt, "other")
					switch rapid.IntRange(0, 3).Draw(rt, "how") {
					case 0:
						all[i], all[j] = all[j], all[i]
					case 1:
						all[i] = all[j]
					case 2:
						all[i] = all[i][:rapid.IntRange(0, len(all[i])).Draw(rt, "cut")]
					case 3:
						all = append(all[:i], all[i+1:]...)
					}
					if len(all) == 0 {
						return
					}
				}
				wholesome(t, strings.Join(all, "\n"))
			})
		})
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(start + block0(`{"type":"text","text":""}`, `{"type":"text_delta","text":"b"}`) + ended("end_turn"))
	f.Add(start + block0(`{"type":"tool_use","id":"t","name":"aih_text_p","input":{}}`, `{"type":"input_json_delta","partial_json":"{\"input\":\"x\"}"}`) + ended("tool_use"))
	f.Add(start + block0(`{"type":"thinking","thinking":"","signature":"`+llm.Mark+`W10"}`, `{"type":"signature_delta","signature":"x"}`) + ended("end_turn"))
	f.Add(start + block0(`{"type":"server_tool_use","input":{}}`, `{"type":"input_json_delta","partial_json":"{}"}`) + ended("pause_turn"))
	f.Fuzz(func(t *testing.T, stream string) { wholesome(t, stream) })
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add(`{"id":"i","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}`)
	f.Add(`{"content":[{"type":"thinking","thinking":"","signature":"` + llm.Mark + `W10"},{"type":"image","source":{"type":"base64"}}]}`)
	f.Add(`{"type":"error","error":{"message":"x"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := anthropic.Dialect{}.DecodeResponse([]byte(body))
		if err != nil {
			return
		}
		encoded := anthropic.Dialect{}.EncodeResponse(r, nil)
		if _, err := (anthropic.Dialect{}).DecodeResponse(encoded); err != nil {
			t.Errorf("%q became %q: %v", body, encoded, err)
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(`{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"2"}]}]}`)
	f.Add(`{"model":"claude-opus-4-7","max_tokens":9,"system":"s","thinking":{"type":"adaptive"},"tools":[{"name":"f","strict":true,"input_schema":{"type":"object","minItems":2}}],"messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":"x"}}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		d := anthropic.Dialect{}
		r, err := d.DecodeRequest([]byte(body), dialect.At{})
		if err != nil {
			var refused *llm.RequestError
			if !errors.As(err, &refused) {
				t.Errorf("%q: %v is not for the caller", body, err)
			}
			return
		}
		encoded, _, err := d.EncodeRequest(r, dialect.Target{Model: r.Model})
		if err != nil {
			return
		}
		if _, err := d.DecodeRequest(encoded, dialect.At{}); err != nil {
			t.Errorf("%q became %q: %v", body, encoded, err)
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	d := anthropic.Dialect{}.Decoder()
	emit := func(*llm.Event) error { return nil }
	for _, data := range []string{`{"type":"message_start","message":{"id":"i","usage":{"input_tokens":1}}}`, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`} {
		if _, err := d.Decode([]byte(data), emit); err != nil {
			b.Fatal(err)
		}
	}
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello, world"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(data, emit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncoder(b *testing.B) {
	x := anthropic.Dialect{}.Encoder(nil)
	dst, err := x.Append(nil, &llm.Event{Kind: llm.Open, Block: llm.Block{Kind: llm.Text}})
	if err != nil {
		b.Fatal(err)
	}
	e := &llm.Event{Kind: llm.Delta, Text: "Hello, world"}
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = x.Append(dst[:0], e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	for _, size := range []int{2 << 10, 150 << 10} {
		body := []byte(`{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"` + strings.Repeat("some words ", size/11) + `"}]}`)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := anthropic.Dialect{}.DecodeRequest(body, dialect.At{})
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := (anthropic.Dialect{}).EncodeRequest(r, dialect.Target{Model: "m"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
