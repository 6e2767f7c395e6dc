package gemini_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// candidate wraps parts as an event.
func candidate(parts string) string {
	return `{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"}}],"responseId":"r/1"}`
}

const stop = `{"candidates":[{"finishReason":"STOP"}]}`

func TestDecoderBlocks(t *testing.T) {
	t.Parallel()
	state := llm.State{Origin: llm.Gemini, Data: "S"}
	tests := []struct {
		name   string
		events []string
		want   []llm.Block
	}{
		{"pieces of a kind are one", []string{candidate(`{"text":"a"},{"text":"b"}`), candidate(`{"text":"c","thought":true}`), candidate(`{"text":"d","thought":true},{"text":"e"}`), stop},
			[]llm.Block{words("ab"), {Kind: llm.Thinking, Text: "cd"}, words("e")}},
		{"empty parts are none", []string{candidate(`{"text":""},{}`), candidate(`{"text":"","thought":true}`), stop}, nil},
		{"signed text", []string{candidate(`{"text":"a","thoughtSignature":"S"}`), stop}, []llm.Block{words("a"), {Kind: llm.Thinking, State: state}}},
		{"signed end", []string{candidate(`{"text":"a"}`), candidate(`{"text":"","thoughtSignature":"S"}`), stop}, []llm.Block{words("a"), {Kind: llm.Thinking, State: state}}},
		{"signed in the middle", []string{candidate(`{"text":"a","thoughtSignature":"S"},{"text":"b"}`), stop}, []llm.Block{words("a"), {Kind: llm.Thinking, State: state}, words("b")}},
		{"signed twice", []string{candidate(`{"thoughtSignature":"S"},{"thoughtSignature":"S"}`), stop}, []llm.Block{{Kind: llm.Thinking, State: state}, {Kind: llm.Thinking, State: state}}},
		{"signed thought", []string{candidate(`{"text":"a","thought":true}`), candidate(`{"text":"","thought":true,"thoughtSignature":"S"}`), stop}, []llm.Block{{Kind: llm.Thinking, Text: "a", State: state}}},
		{"calls", []string{candidate(`{"functionCall":{"name":"f","args":{ "a" : 1 }},"thoughtSignature":"S"},{"functionCall":{"name":"f","id":"own/id"}}`), stop},
			[]llm.Block{call("call_r_1_0", "f", `{"a":1}`, state), call("own_id", "f", "", llm.State{})}},
		{"free text call", []string{candidate(`{"functionCall":{"name":"p__text","id":"i","args":{"input":"x\ny"}}}`), stop},
			[]llm.Block{{Kind: llm.ToolCall, Call: llm.Call{ID: "i", Name: "p", Input: "x\ny", Custom: true}}}},
		{"signed picture", []string{candidate(`{"inlineData":{"mimeType":"image/png","data":"-_8="},"thoughtSignature":"S"}`), stop},
			[]llm.Block{{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "+/8="}}, {Kind: llm.Thinking, State: state}}},
		{"code", []string{candidate(`{"executableCode":{"code":"1"}},{"codeExecutionResult":{"output":"2"}}`), stop},
			[]llm.Block{{Kind: llm.Opaque, Vendor: llm.Gemini, Type: "executableCode", Raw: llm.JSON(`{"executableCode":{"code":"1"}}`)},
				{Kind: llm.Opaque, Vendor: llm.Gemini, Type: "codeExecutionResult", Raw: llm.JSON(`{"codeExecutionResult":{"output":"2"}}`)}}},
		{"grounding in bytes", []string{candidate(`{"text":"é b"}`), `{"candidates":[{"content":{"parts":[{"text":"c"}]},"finishReason":"STOP","groundingMetadata":{
			"groundingChunks":[{"web":{"uri":"u","title":"t"}},{"retrievedContext":{"uri":"v","text":"said"}}],
			"groundingSupports":[{"segment":{"startIndex":3,"endIndex":5},"groundingChunkIndices":[0,1,9]},{"segment":{"endIndex":99},"groundingChunkIndices":[0]}]}}]}`},
			[]llm.Block{{Kind: llm.Text, Text: "é bc", Citations: []llm.Citation{{Start: 2, End: 4, URL: "u", Title: "t"}, {Start: 2, End: 4, URL: "v", Cited: "said"}, {URL: "u", Title: "t"}}}}},
		{"recitation", []string{`{"candidates":[{"content":{"parts":[{"text":"abc"}]},"finishReason":"STOP","citationMetadata":{"citations":[{"startIndex":1,"endIndex":2,"uri":"u","title":"t"}]}}]}`},
			[]llm.Block{{Kind: llm.Text, Text: "abc", Citations: []llm.Citation{{Start: 1, End: 2, URL: "u", Title: "t"}}}}},
		{"behind the end", []string{candidate(`{"text":"a"}`), stop, candidate(`{"text":"b"}`), stop}, []llm.Block{words("a")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var data [][]byte
			for _, e := range tt.events {
				data = append(data, []byte(e))
			}
			all, whole, _ := decodeAll(t, data)
			r := fold(all)
			if diff := cmp.Diff(tt.want, r.Candidates[0].Blocks, cmpopts.EquateEmpty()); diff != "" || !whole {
				t.Errorf("whole %v, (-want +got):\n%s", whole, diff)
			}
		})
	}
}

// TestDecoderStart holds that the beginning tells the usage of its own event: Anthropic's callers read the input's there.
func TestDecoderStart(t *testing.T) {
	t.Parallel()
	all, _, _ := decodeAll(t, [][]byte{
		[]byte(`{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1,"totalTokenCount":10,"serviceTier":"flex"},"modelVersion":"m"}`),
		[]byte(`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}}`)})
	if got := all[0]; got.Kind != llm.Start || got.Usage != (llm.Usage{Input: 9, Output: 1}) || got.ServiceTier != "flex" {
		t.Errorf("it begins with %+v", got)
	}
	if r := fold(all); r.Usage != (llm.Usage{Input: 9, Output: 4}) {
		t.Errorf("usage %+v", r.Usage)
	}
}

func TestDecoderFinish(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason string
		want   llm.Finish
	}{
		{`"STOP"`, llm.FinishStop}, {`1`, llm.FinishStop}, {`"MAX_TOKENS"`, llm.FinishLength}, {`2`, llm.FinishLength}, {`"SAFETY"`, llm.FinishFilter},
		{`"RECITATION"`, llm.FinishFilter}, {`"LANGUAGE"`, llm.FinishFilter}, {`"BLOCKLIST"`, llm.FinishFilter}, {`"PROHIBITED_CONTENT"`, llm.FinishFilter},
		{`"SPII"`, llm.FinishFilter}, {`"IMAGE_SAFETY"`, llm.FinishFilter}, {`"MODEL_ARMOR"`, llm.FinishFilter}, {`"MALFORMED_FUNCTION_CALL"`, llm.FinishMalformed},
		{`"UNEXPECTED_TOOL_CALL"`, llm.FinishMalformed}, {`"OTHER"`, llm.FinishError}, {`"NEW_ONE"`, llm.FinishUnknown}, {`99`, llm.FinishUnknown},
	}
	for _, tt := range tests {
		r, err := gemini.Dialect{}.DecodeResponse([]byte(`{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":` + tt.reason + `}]}`))
		if err != nil || r.Candidates[0].Finish != tt.want || r.Candidates[0].Reason == "" {
			t.Errorf("%s: %+v, %v", tt.reason, r, err)
		}
	}
	r, err := gemini.Dialect{}.DecodeResponse([]byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}]}`))
	if err != nil || r.Candidates[0].Finish != llm.FinishTools {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = gemini.Dialect{}.DecodeResponse([]byte(`{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3}}`))
	if err != nil || r.Filter != "PROHIBITED_CONTENT" || r.Candidates[0].Finish != llm.FinishFilter || r.Usage.Input != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if body := string(gemini.Dialect{}.EncodeResponse(r, nil)); !strings.Contains(body, `"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}`) {
		t.Error(body)
	}
}

func TestDecoderEnds(t *testing.T) {
	t.Parallel()
	nothing := func(*llm.Event) error { return nil }
	cut := gemini.Dialect{}.Decoder()
	if _, err := cut.Decode([]byte(candidate(`{"text":"a"}`)), nothing); err != nil {
		t.Fatal(err)
	}
	if whole, err := cut.End(nothing); whole || err != nil {
		t.Errorf("a cut stream is whole: %v, %v", whole, err)
	}
	if whole, _ := (gemini.Dialect{}).Decoder().End(nothing); whole {
		t.Error("no stream is whole")
	}
	var failed *llm.Error
	done, err := gemini.Dialect{}.Decoder().Decode([]byte(`{"error":{"code":503,"status":"UNAVAILABLE","message":"busy"}}`), func(e *llm.Event) error { failed = e.Err; return nil })
	if !done || err != nil || failed == nil || failed.Class != llm.Overloaded || failed.Status != 503 {
		t.Errorf("%v, %v, %+v", done, err, failed)
	}
	if done, err := (gemini.Dialect{}).Decoder().Decode([]byte(`[DONE]`), nothing); !done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	broken := errors.New("broken")
	if _, err := (gemini.Dialect{}).Decoder().Decode([]byte(stop), func(*llm.Event) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	for _, bad := range []string{``, `7`, `[7]`, `{"candidates":{"index":-1}}`, `{"candidates":[{"content":{"parts":[{"text":7}]}}]}`, `{`} {
		if _, err := (gemini.Dialect{}).Decoder().Decode([]byte(bad), nothing); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []string{``, `{}`, `{"candidates":[]}`, `<html>`} {
		if _, err := (gemini.Dialect{}).DecodeResponse([]byte(bad)); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestEncoderStream holds the bytes of a stream.
func TestEncoderStream(t *testing.T) {
	t.Parallel()
	const tail = `,"modelVersion":"m","responseId":"r"}` + "\n\n"
	event := func(part string) string {
		return `data: {"candidates":[{"content":{"parts":[` + part + `],"role":"model"},"index":0}]` + tail
	}
	r := &llm.Response{ID: "r", Model: "m", HasUsage: true, Usage: llm.Usage{Input: 3, CachedInput: 2, CacheWrite5m: 1, Output: 9, Reasoning: 4},
		Candidates: []llm.Candidate{{Finish: llm.FinishRefusal, Blocks: []llm.Block{
			{Kind: llm.Thinking, Text: "t"}, words("a\"b"), {Kind: llm.Refusal, Text: "no"}, call("c", "f", `{"x":1}`, llm.State{Origin: llm.Gemini, Data: "S"}),
			{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: "server_tool_use", Raw: llm.JSON(`{}`)},
		}}}}
	want := event(`{"text":"t","thought":true}`) + event(`{"text":"a\"b"}`) + event(`{"text":"no"}`) +
		event(`{"functionCall":{"id":"c","name":"f","args":{"x":1}},"thoughtSignature":"S"}`) +
		`data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"SAFETY","index":0}],"usageMetadata":{"promptTokenCount":6,"candidatesTokenCount":5,"totalTokenCount":15,"cachedContentTokenCount":2,"thoughtsTokenCount":4}` + tail
	if diff := cmp.Diff(want, encodeAll(t, r, nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	hidden := encodeAll(t, r, &llm.Request{})
	if strings.Contains(hidden, "thought\"") {
		t.Errorf("thoughts for a caller who did not ask: %s", hidden)
	}
}

func TestEncoderIsBounded(t *testing.T) {
	t.Parallel()
	e := gemini.Dialect{}.Encoder(nil)
	_, _ = e.Append(nil, &llm.Event{Kind: llm.Open, Block: llm.Block{Kind: llm.ToolCall}})
	piece := &llm.Event{Kind: llm.Delta, Text: strings.Repeat("x", 1<<20)}
	var err error
	for range dialect.MaxText/(1<<20) + 1 {
		if _, err = e.Append(nil, piece); err != nil {
			break
		}
	}
	if !errors.Is(err, dialect.ErrTooLong) {
		t.Error(err)
	}
}

func TestCountTokens(t *testing.T) {
	t.Parallel()
	d := gemini.Dialect{}
	for _, body := range []string{`{` + hiWire + `}`, `{"generateContentRequest":{"model":"models/m",` + hiWire + `}}`, `{"generate_content_request":{"model":"models/m",` + hiWire + `}}`} {
		r, err := d.DecodeCount([]byte(body), dialect.At{Model: "m"})
		if err != nil || r.Model != "m" || len(r.Messages) != 1 {
			t.Fatalf("%s: %+v, %v", body, r, err)
		}
		got, _, err := d.EncodeCount(r, dialect.Target{Model: "x"})
		if want := `{"generateContentRequest":{"model":"models/x",` + hiWire + `}}`; err != nil || string(got) != want {
			t.Errorf("%s, %v", got, err)
		}
		r.Safety = llm.JSON(`[]`)
		if got, _, _ := d.EncodeCount(r, dialect.Target{Host: "aiplatform.googleapis.com"}); string(got) != `{`+hiWire+`}` {
			t.Errorf("%s", got)
		}
	}
	var refused *llm.RequestError
	if _, err := d.DecodeCount([]byte(`{"generateContentRequest":7}`), dialect.At{Model: "m"}); !errors.As(err, &refused) {
		t.Error(err)
	}
	if n, err := d.DecodeCountResponse(d.EncodeCountResponse(42)); n != 42 || err != nil {
		t.Error(n, err)
	}
	for _, bad := range []string{`{}`, `{"totalTokens":-1}`, `<`} {
		if _, err := d.DecodeCountResponse([]byte(bad)); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestFieldName(t *testing.T) {
	t.Parallel()
	for f, want := range map[llm.Field]string{llm.FieldStop: "generationConfig.stopSequences", llm.FieldExtra.With("store"): "store",
		llm.FieldVendorTool.With("googleSearch"): "tools.googleSearch", llm.FieldParallel: "tool.parallel"} {
		if got := (gemini.Dialect{}).FieldName(f); got != want {
			t.Errorf("%s is %s, want %s", f, got, want)
		}
	}
}

// TestMutatedStreamsNeverPanic changes, cuts and doubles bytes of recorded answers.
func TestMutatedStreamsNeverPanic(t *testing.T) {
	t.Parallel()
	var seeds []string
	for _, rec := range recordings(t) {
		for _, line := range rec.Lines {
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				seeds = append(seeds, strings.TrimSpace(data))
			}
		}
		if rec.Body != nil && len(rec.Body) < 4000 {
			seeds = append(seeds, string(rec.Body))
		}
	}
	for i, seed := range seeds {
		for at := 0; at < len(seed); at += 1 + len(seed)/150 {
			for _, mutation := range []string{seed[:at], seed[:at] + "{" + seed[at:], seed[:at] + seed[min(at+3, len(seed)):], seed[:at] + "\x00\xff" + seed[at:], seed[:at] + "9" + seed[min(at+1, len(seed)):]} {
				readAll([]byte(mutation))
			}
		}
		if i > 40 {
			break
		}
	}
}

// readAll reads a document in every way and returns a word of what came of it.
func readAll(data []byte) string {
	d := gemini.Dialect{}
	w := d.Watch(nil)
	_, watched := w.Event(data)
	dec := d.Decoder()
	var f llm.Fold
	emit := func(e *llm.Event) error { f.Add(e); return nil }
	_, decoded := dec.Decode(data, emit)
	whole, _ := dec.End(emit)
	r, err := d.DecodeResponse(data)
	if err == nil {
		d.EncodeResponse(r, nil)
	}
	return fmt.Sprint(watched, decoded, whole, err, d.DecodeError(500, data).Message)
}
