package responses_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

// lines are the data of events, one a line.
func lines(text string) [][]byte { return bytes.Split([]byte(strings.TrimSpace(text)), []byte("\n")) }

func TestOddStreams(t *testing.T) {
	t.Parallel()
	thinking := llm.Block{Kind: llm.Thinking, Text: "one\n\ntwo", State: llm.State{Origin: llm.Responses, ID: "rs_1", Data: "sealed"}}
	call := llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "c", Name: "f", Input: `{"a":1}`}}
	const items = `{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"one"},{"type":"summary_text","text":"two"}],"encrypted_content":"sealed"}` +
		"\n" + `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hi","logprobs":[{"token":"hi","logprob":-1,"bytes":[104,105],"top_logprobs":[]}]}]}` +
		"\n" + `{"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":"{\"a\":1}"}`
	parts := strings.Split(items, "\n")
	want := []llm.Block{thinking, text("hi"), call}
	created := `{"type":"response.created","response":{"id":"resp_1","model":"m","created_at":7.0}}` + "\n"
	completed := `{"type":"response.completed","response":{"id":"resp_1","status":"completed","usage":{"input_tokens":1,"output_tokens":2}}}`
	for _, tt := range []struct {
		name, stream string
		want         []llm.Block
	}{
		{"whole items alone", created + `{"type":"response.output_item.done","output_index":0,"item":` + parts[0] + "}\n" +
			`{"type":"response.output_item.done","output_index":1,"item":` + parts[1] + "}\n" + `{"type":"response.output_item.done","output_index":2,"item":` + parts[2] + "}\n" + completed, want},
		{"all at the end", created + `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[` + strings.Join(parts, ",") + `],"usage":{"input_tokens":1,"output_tokens":2}}}`, want},
		{"parts of thinking in pieces", created + `{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}
{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"o"}
{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"ne"}
{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"two"}
{"type":"response.output_item.done","output_index":0,"item":` + parts[0] + "}\n" + completed, want[:1]},
		{"pieces that end early", created + `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","role":"assistant","content":[]}}
{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"h"}
{"type":"response.output_item.done","output_index":0,"item":` + parts[1] + "}\n" + completed, want[1:2]},
		{"calls side by side, one without a name at first", created + `{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}
{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","arguments":""}}
{"type":"response.output_item.added","output_index":2,"item":{"type":"custom_tool_call","call_id":"e","name":"g","namespace":"n","input":""}}
{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\""}
{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"b\""}
{"type":"response.custom_tool_call_input.delta","output_index":2,"delta":"free"}
{"type":"response.function_call_arguments.delta","output_index":0,"delta":":1}"}
{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"d","name":"f","arguments":"{\"b\":2}"}}
` + completed, []llm.Block{call, {Kind: llm.ToolCall, Call: llm.Call{ID: "e", Name: "n__g", Input: "free", Custom: true}}, {Kind: llm.ToolCall, Call: llm.Call{ID: "d", Name: "f", Input: `{"b":2}`}}}},
		{"items that are done after the next began", created + `{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}
{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"one\n\ntwo"}
{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"hi"}
{"type":"response.output_item.done","output_index":0,"item":` + parts[0] + `}
{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}
{"type":"response.output_item.done","output_index":1,"item":` + parts[1] + `}
{"type":"response.output_item.done","output_index":2,"item":` + parts[2] + "}\n" + completed,
			[]llm.Block{{Kind: llm.Thinking, Text: "one\n\ntwo", State: llm.State{Origin: llm.Responses, ID: "rs_1"}}, text("hi"), {Kind: llm.Thinking, State: thinking.State}, call}},
		{"unknown events, and no beginning", `{"type":"keepalive","delta":{"x":1}}
{"type":"response.hologram.delta","delta":7}
{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"hi"}
` + completed, want[1:2]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeEvents(lines(tt.stream))
			if err != nil || !got.whole || got.usage.Output != 2 {
				t.Fatalf("%v, %+v", err, got)
			}
			if diff := cmp.Diff(tt.want, got.response.Candidates[0].Blocks); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for stream, class := range map[string]llm.Class{
		`{"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null,"sequence_number":3}`:        llm.RateLimited,
		`{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"no money"}}`:     llm.OutOfQuota,
		`{"type":"response.failed","response":{"error":{"code":"context_length_exceeded","message":"too long"}}}`:     llm.TooLarge,
		`{"type":"response.failed","response":{"error":{"code":"server_is_overloaded","message":"busy"}}}`:            llm.Overloaded,
		`{"type":"response.failed","response":{"error":{"code":"something_new","message":"odd"}}}`:                    llm.ServerError,
		`{"error":{"message":"bad","type":"invalid_request_error","param":"input[0]","code":null}}`:                   llm.InvalidRequest,
		`{"response":{"error":{"code":"invalid_prompt","message":"bad"}},"type":"response.failed","delta":{"odd":1}}`: llm.InvalidRequest,
	} {
		got, err := decodeEvents([][]byte{[]byte(stream), []byte(`{"type":"response.failed","response":{"error":{"code":"x","message":"again"}}}`)})
		if err != nil && strings.Contains(stream, "odd\":1") {
			continue // its pieces are of the wrong type
		}
		if err != nil || got.failure == nil || got.failure.Class != class || got.failure.Message == "" || got.whole || !got.done {
			t.Errorf("%s: %v, %+v", stream, err, got.failure)
		}
		if again, err := decodeEvents(events(t, string(responses.Dialect{}.AppendErrorEvent(nil, got.failure)), 7)); err != nil ||
			again.failure == nil || again.failure.Class != class || again.failure.Message != got.failure.Message {
			t.Errorf("%s came back as %+v, %v", stream, again.failure, err)
		}
	}
	for _, bad := range []string{``, `[]`, `{`, `7`, `{}`, `{"type":"response.output_text.delta","delta":7}`, `{"type":"response.output_item.done","item":{"type":"message","content":7}}`,
		`{"type":"response.output_item.done","item":{"type":"function_call"}}`, `{"type":"response.output_item.done"}`} {
		if _, err := decodeEvents([][]byte{[]byte(bad)}); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if got, err := decodeEvents(lines(`{"type":"response.created","response":{"id":"r"}}`)); err != nil || got.whole {
		t.Errorf("a stream that was cut is whole: %v", err)
	}
}

// TestErrorEvents holds that what ends a stream is what the description says, and that every error has words.
func TestErrorEvents(t *testing.T) {
	t.Parallel()
	for class := llm.Unclassified; class <= llm.ServerError; class++ {
		all := events(t, string(responses.Dialect{}.AppendErrorEvent(nil, &llm.Error{Class: class, Message: "broken", Origin: llm.Gemini, Type: "ODD"})), 7)
		if len(all) != 2 {
			t.Fatalf("%d events", len(all))
		}
		holds(t, "ResponseErrorEvent", all[0])
		if !strings.Contains(string(all[1]), `"message":"broken"`) || !strings.Contains(string(all[1]), `"type":"response.failed"`) {
			t.Errorf("%s", all[1])
		}
	}
	busy := string(responses.Dialect{}.AppendErrorEvent(nil, &llm.Error{Class: llm.Overloaded, Message: "m", Origin: llm.Anthropic, Type: "overloaded_error"}))
	if !strings.Contains(busy, `"error":{"code":"server_is_overloaded","message":"m"}`) {
		t.Errorf("what Codex tells apart is told in another vendor's word: %s", busy)
	}
}

func TestEncoderHoldsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	e := responses.Dialect{}.Encoder(nil)
	feed := []llm.Event{{Kind: llm.Start, ID: "r"}, {Kind: llm.Open, Block: llm.Block{Kind: llm.Text}}}
	for i := range feed {
		if _, err := e.Append(nil, &feed[i]); err != nil {
			t.Fatal(err)
		}
	}
	piece := strings.Repeat("x", 1<<20)
	for size := 0; ; size += len(piece) {
		_, err := e.Append(nil, &llm.Event{Kind: llm.Delta, Text: piece})
		if size > dialect.MaxText {
			t.Fatal("no end to it")
		}
		if err != nil {
			if !errors.Is(err, dialect.ErrTooLong) || size+2*len(piece) < dialect.MaxText {
				t.Errorf("%v at %d bytes", err, size)
			}
			return
		}
	}
}

// TestMutatedStreams holds that no change of a stream makes the decoder or the watch panic, or break the rules of events.
func TestMutatedStreams(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	streams := []string{encode(t, answer(), asked())}
	for range 2000 {
		all := events(t, streams[0], 1<<20)
		for range 1 + r.IntN(3) {
			i := r.IntN(len(all))
			switch r.IntN(4) {
			case 0:
				all = append(all[:i:i], all[i+1:]...)
			case 1:
				j := r.IntN(len(all))
				all[i], all[j] = all[j], all[i]
			case 2:
				all[i] = all[i][:r.IntN(len(all[i]))]
			default:
				if len(all[i]) > 0 {
					changed := bytes.Clone(all[i])
					changed[r.IntN(len(changed))] = "{}[]\",:0x"[r.IntN(9)]
					all[i] = changed
				}
			}
			if len(all) == 0 {
				break
			}
		}
		if _, err := decodeEvents(all); err != nil && !errors.Is(err, dialect.ErrMalformed) {
			t.Fatalf("%v of %s", err, bytes.Join(all, []byte("\n")))
		}
		w := responses.Dialect{}.Watch(nil)
		for _, data := range all {
			if _, err := w.Event(data); err != nil && !errors.Is(err, dialect.ErrMalformed) {
				t.Fatal(err)
			}
		}
	}
}

func FuzzDecoder(f *testing.F) {
	for _, data := range events(f, encode(f, answer(), asked()), 1<<20) {
		f.Add(string(data))
	}
	f.Add("{\"type\":\"response.created\"}\n{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\",\"name\":\"f\",\"call_id\":\"c\"}}\n{\"type\":\"response.output_text.delta\",\"delta\":\"x\"}")
	f.Fuzz(func(t *testing.T, stream string) {
		if _, err := decodeEvents(lines(stream)); err != nil && !errors.Is(err, dialect.ErrMalformed) {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add(string(responses.Dialect{}.EncodeResponse(answer(), asked())))
	f.Add(`{"id":"r","output":[],"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}`)
	f.Add(`{"error":{"message":"x"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := responses.Dialect{}.DecodeResponse([]byte(body))
		var failure *llm.Error
		switch {
		case err == nil:
			if _, err := (responses.Dialect{}).DecodeResponse(responses.Dialect{}.EncodeResponse(r, nil)); err != nil && !errors.As(err, &failure) {
				t.Fatalf("what was written does not read: %v", err)
			}
		case !errors.Is(err, dialect.ErrMalformed) && !errors.As(err, &failure):
			t.Fatal(err)
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	data := []byte(`{"type":"response.output_text.delta","content_index":0,"delta":" a few words","item_id":"msg_0200025d411b0585016a3c13b6174481a392b9817b2c15a5b4","logprobs":[],"obfuscation":"cNsksSFn4eHSHI","output_index":0,"sequence_number":11}`)
	d := responses.Dialect{}.Decoder()
	emit := func(*llm.Event) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(data, emit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncoder(b *testing.B) {
	feed := []llm.Event{{Kind: llm.Start, ID: "r"}, {Kind: llm.Open, Block: llm.Block{Kind: llm.Text}}, {Kind: llm.Delta, Text: " a few words"}}
	var buf []byte
	begin := func() dialect.Encoder {
		e := responses.Dialect{}.Encoder(nil)
		for i := range feed {
			buf, _ = e.Append(buf[:0], &feed[i])
		}
		return e
	}
	e, n := begin(), 0
	b.ReportAllocs()
	for b.Loop() {
		if n++; n%10_000 == 0 {
			e = begin()
		}
		var err error
		if buf, err = e.Append(buf[:0], &feed[2]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWatch(b *testing.B) {
	data := fmt.Appendf(nil, `{"type":"response.output_text.delta","content_index":0,"delta":%q,"item_id":"msg_1","logprobs":[],"output_index":0,"sequence_number":11}`, " a few words")
	w := responses.Dialect{}.Watch(func([]byte) {})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Event(data); err != nil {
			b.Fatal(err)
		}
	}
}
