package openai_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func text(s string) llm.Block { return llm.Block{Kind: llm.Text, Text: s} }

func unsigned(s string) llm.Block {
	return llm.Block{Kind: llm.Thinking, Text: s, State: llm.State{Origin: llm.OpenAI}}
}

func call(id, name, input string) llm.Block {
	return llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: id, Name: name, Input: input}}
}

// What compatible vendors do their own way comes to the same answer.
func TestDecoderTakesOddities(t *testing.T) {
	t.Parallel()
	const finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	calls := func(list string) string { return chunk(`"tool_calls":[`+list+`]`, "null") }
	tests := []struct {
		name   string
		events []string
		want   []llm.Block
		finish llm.Finish
	}{
		{"plain", []string{chunk(`"role":"assistant","content":""`, "null"), chunk(`"content":"a"`, "null"), chunk(`"content":"b"`, "null"), chunk("", "stop"), "[DONE]"},
			[]llm.Block{text("ab")}, llm.FinishStop},
		{"no DONE", []string{chunk(`"content":"a"`, "null"), chunk("", "stop")}, []llm.Block{text("a")}, llm.FinishStop},
		{"no finish", []string{chunk(`"content":"a"`, "null"), "[DONE]"}, []llm.Block{text("a")}, llm.FinishStop},
		{"text behind the finish", []string{chunk(`"content":"a"`, "stop"), chunk(`"content":"b"`, "stop"), "[DONE]"}, []llm.Block{text("ab")}, llm.FinishStop},
		{"null choices", []string{`{"id":"c1","choices":null}`, chunk(`"content":"a"`, "length"), "[DONE]"}, []llm.Block{text("a")}, llm.FinishLength},
		{"reasoning_content", []string{chunk(`"reasoning_content":"h"`, "null"), chunk(`"content":null,"reasoning_content":"m"`, "null"), chunk(`"content":"a","reasoning_content":null`, "stop")},
			[]llm.Block{unsigned("hm"), text("a")}, llm.FinishStop},
		{"reasoning", []string{chunk(`"content":"","reasoning":"hm"`, "null"), chunk(`"content":"a"`, "stop")}, []llm.Block{unsigned("hm"), text("a")}, llm.FinishStop},
		{"Mistral's parts", []string{chunk(`"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]`, "null"), chunk(`"content":[{"type":"text","text":"a"}]`, "null"), chunk(`"content":"b"`, "stop")},
			[]llm.Block{unsigned("hm"), text("ab")}, llm.FinishStop},
		{"refusal", []string{chunk(`"refusal":"No"`, "null"), chunk(`"refusal":"."`, "stop")}, []llm.Block{{Kind: llm.Refusal, Text: "No."}}, llm.FinishRefusal},
		{"arguments in pieces", []string{calls(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calls(`{"index":0,"function":{"arguments":"{\"x\""}}`),
			calls(`{"index":0,"function":{"arguments":":1}"}}`), chunk("", "tool_calls")}, []llm.Block{call("a", "f", `{"x":1}`)}, llm.FinishTools},
		{"parallel, interleaved", []string{calls(`{"index":0,"id":"a","function":{"name":"f"}},{"index":1,"id":"b","function":{"name":"g"}}`),
			calls(`{"index":1,"function":{"arguments":"2"}}`), calls(`{"index":0,"function":{"arguments":"1"}}`), chunk("", "tool_calls")},
			[]llm.Block{call("a", "f", "1"), call("b", "g", "2")}, llm.FinishTools},
		{"stop for tool calls", []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`), finish}, []llm.Block{call("a", "f", "{}")}, llm.FinishTools},
		{"all in one chunk, no index", []string{calls(`{"id":"a","function":{"name":"f","arguments":"1"}},{"id":"b","function":{"name":"f","arguments":"2"}}`), finish},
			[]llm.Block{call("a", "f", "1"), call("b", "f", "2")}, llm.FinishTools},
		{"every index 0", []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}`), calls(`{"index":0,"id":"b","function":{"name":"f","arguments":"2"}}`), finish},
			[]llm.Block{call("a", "f", "1"), call("b", "f", "2")}, llm.FinishTools},
		{"id and name repeated", []string{calls(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"1"}}`), calls(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"2"}}`), finish},
			[]llm.Block{call("a", "f", "12")}, llm.FinishTools},
		{"empty id and name later", []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}`), calls(`{"index":0,"id":"","function":{"name":"","arguments":"2"}}`), finish},
			[]llm.Block{call("a", "f", "12")}, llm.FinishTools},
		{"null name later", []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}`), calls(`{"index":0,"id":null,"function":{"name":null,"arguments":"2"}}`), finish},
			[]llm.Block{call("a", "f", "12")}, llm.FinishTools},
		{"name after the id", []string{calls(`{"index":0,"id":"a"}`), calls(`{"index":0,"function":{"name":"f","arguments":"1"}}`), finish}, []llm.Block{call("a", "f", "1")}, llm.FinishTools},
		{"arguments as an object", []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":{"x":[1]}}}`), finish}, []llm.Block{call("a", "f", `{"x":[1]}`)}, llm.FinishTools},
		{"text before a call, white space within", []string{chunk(`"content":"see"`, "null"), calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}`), chunk(`"content":"\n"`, "null"), calls(`{"index":0,"function":{"arguments":"2"}}`), finish},
			[]llm.Block{text("see"), call("a", "f", "12")}, llm.FinishTools},
		{"custom tool", []string{calls(`{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"x"}}`), calls(`{"index":0,"custom":{"input":"y"}}`), finish},
			[]llm.Block{{Kind: llm.ToolCall, Call: llm.Call{ID: "a", Name: "f", Input: "xy", Custom: true}}}, llm.FinishTools},
		{"a call signed by Gemini's compatibility layer", []string{calls(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"1"},"extra_content":{"google":{"thought_signature":"s"}}}`), finish},
			[]llm.Block{{Kind: llm.ToolCall, Call: llm.Call{ID: "a", Name: "f", Input: "1"}, State: llm.State{Origin: llm.OpenAI, Data: `{"google":{"thought_signature":"s"}}`}}}, llm.FinishTools},
		{"picture", []string{chunk(`"content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]`, "stop")},
			[]llm.Block{{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "AAAA"}}}, llm.FinishStop},
		{"sound", []string{chunk(`"audio":{"id":"au1","transcript":"h"}`, "null"), chunk(`"audio":{"data":"AA"}`, "null"), chunk(`"audio":{"data":"BB","transcript":"i"}`, "stop")},
			[]llm.Block{{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, FileID: "au1", Origin: llm.OpenAI, Data: "AABB", Text: "hi"}}}, llm.FinishStop},
		{"citation", []string{chunk(`"content":"abc"`, "null"), chunk(`"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"https://e.example","title":"T"}}]`, "stop")},
			[]llm.Block{{Kind: llm.Text, Text: "abc", Citations: []llm.Citation{{Start: 1, End: 2, URL: "https://e.example", Title: "T"}}}}, llm.FinishStop},
		{"stop sequence", []string{`{"id":"c1","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop","stop_reason":"END"}]}`}, []llm.Block{text("a")}, llm.FinishStopSequence},
		{"a token stopped it", []string{`{"id":"c1","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop","stop_reason":128001}]}`}, []llm.Block{text("a")}, llm.FinishStop},
		{"vendor failed", []string{chunk(`"content":"a"`, "insufficient_system_resource")}, []llm.Block{text("a")}, llm.FinishError},
		{"legacy completion", []string{`{"id":"c1","object":"text_completion","choices":[{"text":"a","index":0,"finish_reason":null}]}`, `{"id":"c1","choices":[{"text":"b","index":0,"finish_reason":"stop"}]}`}, []llm.Block{text("ab")}, llm.FinishStop},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			events, got, whole := fold(t, data(tt.events...), 64)
			if bad := wellFormed(events); bad != "" || !whole || len(got.Candidates) != 1 {
				t.Fatalf("whole %v, %d candidates: %s", whole, len(got.Candidates), bad)
			}
			if diff := cmp.Diff(tt.want, got.Candidates[0].Blocks); diff != "" || got.Candidates[0].Finish != tt.finish {
				t.Errorf("finish %d, want %d (-want +got):\n%s", got.Candidates[0].Finish, tt.finish, diff)
			}
			if got.Created != 0 { // else what is missing is made up
				roundTrip(t, got)
			}
		})
	}
}

// Calls without an id get one that is the same at every reading, and legacy functions are calls.
func TestDecoderMakesUpIDs(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{
		data(chunk(`"tool_calls":[{"index":0,"function":{"name":"f","arguments":"1"}},{"index":1,"function":{"name":"g","arguments":"2"}}]`, "tool_calls")),
		data(chunk(`"tool_calls":[{"function":{"name":"f","arguments":"1"}},{"function":{"name":"g"}},{"function":{"arguments":"2"}}]`, "tool_calls")),
	} {
		_, got, _ := fold(t, stream, 100)
		_, again, _ := fold(t, stream, 1)
		blocks := got.Candidates[0].Blocks
		if len(blocks) != 2 || blocks[0].Call.Input != "1" || blocks[1].Call.Input != "2" || blocks[0].Call.ID == "" || blocks[0].Call.ID == blocks[1].Call.ID {
			t.Errorf("calls %+v", blocks)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Error(diff)
		}
	}
	_, got, _ := fold(t, data(chunk(`"function_call":{"name":"f","arguments":""}`, "null"), chunk(`"function_call":{"arguments":"{}"}`, "function_call")), 100)
	if b := got.Candidates[0].Blocks; len(b) != 1 || b[0].Call.Name != "f" || b[0].Call.Input != "{}" || b[0].Call.ID == "" || got.Candidates[0].Finish != llm.FinishTools {
		t.Errorf("function_call %+v", got.Candidates[0])
	}
}

func TestDecoderInterleavesCandidates(t *testing.T) {
	t.Parallel()
	of := func(i int, delta, finish string) string {
		return strings.Replace(chunk(delta, finish), `"index":0`, fmt.Sprintf(`"index":%d`, i), 1)
	}
	events, got, whole := fold(t, data(of(1, `"content":"b"`, "null"), of(0, `"content":"a"`, "null"), of(1, `"content":"B"`, "stop"), of(0, `"content":"A"`, "length")), 50)
	if bad := wellFormed(events); bad != "" || !whole || len(got.Candidates) != 2 {
		t.Fatalf("whole %v: %s", whole, bad)
	}
	for _, c := range got.Candidates {
		want := map[int]string{0: "aA", 1: "bB"}[c.Index]
		if c.Blocks[0].Text != want || (c.Index == 0) != (c.Finish == llm.FinishLength) {
			t.Errorf("%+v", c)
		}
	}
}

func TestDecoderReadsUsageWhereverItStands(t *testing.T) {
	t.Parallel()
	const usage = `{"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,"prompt_tokens_details":{"cached_tokens":60,"image_tokens":5},"completion_tokens_details":{"reasoning_tokens":3}}`
	want := llm.Usage{Input: 40, CachedInput: 60, Output: 7, Reasoning: 3, ImageInput: 5}
	for _, last := range []string{
		`{"choices":[],"usage":` + usage + `}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":` + usage + `}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":` + usage + `}]}`,
		`{"choices":[],"x_groq":{"id":"r","usage":` + usage + `}}`,
	} {
		_, got, _ := fold(t, data(chunk(`"content":"a"`, "stop"), last, "[DONE]"), 100)
		if !got.HasUsage || got.Usage != want {
			t.Errorf("%s: %+v", last, got.Usage)
		}
	}
	_, got, whole := fold(t, data(chunk(`"content":"a"`, "stop"), "[DONE]"), 100)
	if got.HasUsage || !whole {
		t.Errorf("usage from nowhere: %+v", got.Usage)
	}
}

func TestDecoderTellsACutFromAnEnd(t *testing.T) {
	t.Parallel()
	if _, _, whole := fold(t, data(chunk(`"content":"a"`, "null")), 100); whole {
		t.Error("a stream without a finish is whole")
	}
	events, _, whole := fold(t, data(chunk(`"content":"a"`, "null"), `{"error":{"message":"overloaded","code":503},"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}`, chunk(`"content":"b"`, "stop")), 100)
	last := events[len(events)-1]
	if whole || last.Kind != llm.Failed || last.Err.Message != "overloaded" || last.Err.Kind() != llm.Overloaded {
		t.Errorf("whole %v, last %+v", whole, last)
	}
	for _, bad := range []string{`{`, `[]`, `null`, `"x"`, `{"choices":{}}`, `{"choices":[{"delta":[]}]}`, ``} {
		d := openai.Dialect{}.Decoder()
		if _, err := d.Decode([]byte(bad), func(*llm.Event) error { return nil }); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := (openai.Dialect{}).DecodeResponse([]byte(bad)); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%q as a body: %v", bad, err)
		}
	}
	var e *llm.Error
	if _, err := (openai.Dialect{}).DecodeResponse([]byte(`{"error":{"message":"no","type":"server_error"}}`)); !errors.As(err, &e) || e.Message != "no" {
		t.Errorf("an error with 200: %v", err)
	}
	_, _, _, err := foldStream(data(chunk(`"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]`, "null"), chunk(`"content":"text"`, "null"),
		chunk(`"tool_calls":[{"index":0,"function":{"arguments":"}"}}]`, "stop")), 100)
	if !errors.Is(err, dialect.ErrMalformed) {
		t.Errorf("arguments behind the end of a call: %v", err)
	}
}

func TestDecoderStopsWhereItsConsumerDoes(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	d := openai.Dialect{}.Decoder()
	n := 0
	emit := func(*llm.Event) error { n++; return gone }
	if _, err := d.Decode([]byte(chunk(`"content":"a"`, "null")), emit); !errors.Is(err, gone) || n != 1 {
		t.Errorf("%v after %d events", err, n)
	}
}

// OpenRouter's details come back whole, whoever the caller was.
func TestReasoningDetails(t *testing.T) {
	t.Parallel()
	stream := data(
		chunk(`"reasoning":"h","reasoning_details":[{"type":"reasoning.text","text":"h","format":"anthropic-claude-v1","index":0}]`, "null"),
		chunk(`"reasoning":"m","reasoning_details":[{"type":"reasoning.text","text":"m","format":"anthropic-claude-v1","index":0}]`, "null"),
		chunk(`"reasoning_details":[{"type":"reasoning.text","signature":"sig==","format":"anthropic-claude-v1","index":0}]`, "null"),
		chunk(`"reasoning_details":[{"type":"reasoning.encrypted","data":"sealed","format":"google-gemini-v1","id":"x","index":1}]`, "null"),
		chunk(`"content":"a"`, "stop"))
	events, got, _ := fold(t, stream, 100)
	if bad := wellFormed(events); bad != "" {
		t.Fatal(bad)
	}
	blocks := got.Candidates[0].Blocks
	if len(blocks) != 3 || blocks[0].Text != "hm" || blocks[0].State.Origin != llm.OpenAI || !blocks[1].State.Redacted || blocks[1].Text != "" {
		t.Fatalf("%+v", blocks)
	}
	roundTrip(t, got)

	history := &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{text("?")}}, {Role: llm.Assistant, Blocks: blocks}}}
	body, drops, err := openai.Dialect{}.EncodeRequest(history, dialect.Target{Model: "m", Host: "openrouter.ai"})
	if err != nil || len(drops) > 0 {
		t.Fatalf("dropped %v, %v", drops, err)
	}
	want := `"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"sig==","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"sealed","id":"x","format":"google-gemini-v1","index":1}]`
	if !strings.Contains(string(body), want) {
		t.Errorf("got %s\nwant %s in it", body, want)
	}
	if _, drops, _ = (openai.Dialect{}).EncodeRequest(history, dialect.Target{Model: "m", Host: "api.openai.com"}); !cmp.Equal(drops, []llm.Field{llm.FieldThinking}) {
		t.Errorf("OpenAI dropped %v", drops)
	}
}

func TestLogprobs(t *testing.T) {
	t.Parallel()
	const probs = `{"content":[{"token":"é","logprob":-0.5,"bytes":[195,169],"top_logprobs":[{"token":"e","logprob":-1,"bytes":null}]}],"refusal":null}`
	got, err := openai.Dialect{}.DecodeResponse([]byte(`{"id":"c1","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"é"},"logprobs":` + probs + `,"finish_reason":"stop"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []llm.Logprob{{Token: "é", Logprob: -0.5, Bytes: []byte("é"), Top: []llm.Logprob{{Token: "e", Logprob: -1}}}}
	if diff := cmp.Diff(want, got.Candidates[0].Logprobs, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if out := openai.Dialect.EncodeResponse(openai.Dialect{}, got, &llm.Request{}); !strings.Contains(string(out), `"logprobs":`+probs) {
		t.Errorf("%s", out)
	}
	roundTrip(t, got)
}

// A stream that was changed anywhere never panics, and its events stay well-formed.
func TestMutatedStreams(t *testing.T) {
	t.Parallel()
	var streams []string
	for _, rec := range recordings(t) {
		if rec.Lines != nil && len(rec.Lines) < 100 {
			streams = append(streams, strings.Join(rec.Lines, "\n"))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, stream := range streams {
		for range 60 {
			b := []byte(stream)
			for range 1 + r.IntN(4) {
				at := r.IntN(len(b))
				switch r.IntN(3) {
				case 0:
					b[at] = byte(r.IntN(256))
				case 1:
					b = append(b[:at], b[min(len(b), at+r.IntN(40)):]...)
				case 2:
					b = append(b[:at], append([]byte(stream[:min(len(stream), r.IntN(200))]), b[at:]...)...)
				}
				if len(b) == 0 {
					b = []byte(" ")
				}
			}
			checkStream(t, string(b))
		}
	}
}

// checkStream reads a stream of anything, and writes what it says for a caller.
func checkStream(t *testing.T, stream string) {
	t.Helper()
	events, response, whole, err := foldStream(stream, 1+len(stream))
	if whole && err == nil {
		if bad := wellFormed(events); bad != "" {
			t.Fatalf("%s: %q", bad, stream)
		}
	}
	if response != nil {
		write(t, response, &llm.Request{IncludeUsage: true})
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(data(chunk(`"content":"a","reasoning_content":"b"`, "stop"), "[DONE]"), uint8(3))
	f.Add(data(chunk(`"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]`, "tool_calls")), uint8(1))
	f.Add(data(chunk(`"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}],"audio":{"id":"a","data":"AA"}`, "null"), `{"error":"x"}`), uint8(9))
	f.Fuzz(func(t *testing.T, stream string, n uint8) {
		a, _, wholeA, errA := foldStream(stream, int(n)+1)
		b, _, wholeB, errB := foldStream(stream, len(stream)+1)
		if diff := cmp.Diff(a, b, cmpopts.EquateNaNs()); diff != "" || wholeA != wholeB || (errA == nil) != (errB == nil) {
			t.Fatalf("split: %v %v, %v %v\n%s", wholeA, wholeB, errA, errB, diff)
		}
		checkStream(t, stream)
	})
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add(`{"id":"c","choices":[{"message":{"content":"a","tool_calls":[{"id":"x","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`)
	f.Add(`{"choices":[{"message":{"content":[{"type":"text","text":"a"}],"reasoning_details":[{"type":"reasoning.text","text":"h","signature":"s"}]}}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := openai.Dialect{}.DecodeResponse([]byte(body))
		if err != nil {
			return
		}
		again, err := openai.Dialect{}.DecodeResponse(openai.Dialect{}.EncodeResponse(r, &llm.Request{Model: "m"}))
		if err != nil || len(again.Candidates) != len(r.Candidates) {
			t.Fatalf("our own answer: %v", err)
		}
	})
}

func FuzzDecodeError(f *testing.F) {
	f.Add(429, `{"error":{"message":"x","code":1}}`)
	f.Add(0, `[{"error":{"status":"X"}}]`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		e := openai.Dialect{}.DecodeError(status, []byte(body))
		if again := (openai.Dialect{}).DecodeError(status, openai.Dialect{}.EncodeError(e)); again.Message != e.Message || again.Code != e.Code {
			t.Fatalf("%+v became %+v", e, again)
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	event := []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1731368640,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_1",` +
		`"choices":[{"index":0,"delta":{"content":" Hello"},"logprobs":null,"finish_reason":null}],"usage":null}`)
	d := openai.Dialect{}.Decoder()
	emit := func(*llm.Event) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(event, emit); err != nil {
			b.Fatal(err)
		}
	}
}

// The decoder of an answer is used again: what has no choices is no answer whatever was read before.
func TestNoChoicesBehindAnAnswer(t *testing.T) {
	t.Parallel()
	for range 20 {
		if _, err := (openai.Dialect{}).DecodeResponse([]byte(`{"id":"c","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}`)); err != nil {
			t.Fatal(err)
		}
		if r, err := (openai.Dialect{}).DecodeResponse([]byte(`{}`)); !errors.Is(err, dialect.ErrMalformed) {
			t.Fatalf("an empty object is %+v, %v", r, err)
		}
	}
}
