package gemini_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// decodeAll reads a stream's events and checks that they are well formed.
func decodeAll(t testing.TB, data [][]byte) (all []llm.Event, whole bool, usage llm.Usage) {
	t.Helper()
	d := gemini.Dialect{}.Decoder()
	open, owner := map[int]bool{}, map[int]int{}
	next, done := 0, map[int]bool{}
	emit := func(e *llm.Event) error {
		if len(all) == 0 && e.Kind != llm.Start && e.Kind != llm.Failed || len(all) > 0 && e.Kind == llm.Start {
			t.Errorf("event %d is of kind %d", len(all), e.Kind)
		}
		switch e.Kind {
		case llm.Open:
			if e.Index != next || done[e.Candidate] {
				t.Errorf("block %d opened, want %d; candidate %d finished: %v", e.Index, next, e.Candidate, done[e.Candidate])
			}
			next++
			open[e.Index], owner[e.Index] = true, e.Candidate
		case llm.Delta, llm.Sign, llm.Cite, llm.Close:
			if !open[e.Index] {
				t.Errorf("event of kind %d for block %d, which is not open", e.Kind, e.Index)
			}
			open[e.Index] = e.Kind != llm.Close
		case llm.Finished:
			for index, is := range open {
				if is && owner[index] == e.Candidate {
					t.Errorf("block %d is open at the end", index)
				}
			}
			done[e.Candidate] = true
		}
		all = append(all, *e)
		return nil
	}
	for _, one := range data {
		if _, err := d.Decode(one, emit); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
	}
	whole, err := d.End(emit)
	if err != nil {
		t.Fatal(err)
	}
	usage, _ = d.Usage()
	return all, whole, usage
}

func fold(all []llm.Event) *llm.Response {
	var f llm.Fold
	for i := range all {
		f.Add(&all[i])
	}
	r := f.Response()
	slices.SortFunc(r.Candidates, func(a, b llm.Candidate) int { return a.Index - b.Index })
	return r
}

// encodeAll writes an answer as a stream.
func encodeAll(t testing.TB, r *llm.Response, to *llm.Request) string {
	t.Helper()
	e := gemini.Dialect{}.Encoder(to)
	var out []byte
	err := r.Events(func(ev *llm.Event) (err error) {
		out, err = e.Append(out, ev)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(e.AppendEnd(out))
}

func TestRecordedStreamsAreDecoded(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, rec := range recordings(t) {
		if rec.Lines == nil {
			continue
		}
		seen++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := strings.Join(rec.Lines, "\n")
			want, whole, usage := decodeAll(t, events(t, stream, len(stream)))
			if !whole {
				t.Error("the stream is not whole")
			}
			for _, n := range []int{1, 7} {
				got, _, _ := decodeAll(t, events(t, stream, n))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("at %d bytes a read (-all +got):\n%s", n, diff)
				}
			}
			w := gemini.Dialect{}.Watch(nil)
			for _, data := range events(t, stream, len(stream)) {
				if _, err := w.Event(data); err != nil {
					t.Fatal(err)
				}
			}
			if passing, _ := w.Usage(); passing != usage {
				t.Errorf("usage %+v decoded, %+v in passing", usage, passing)
			}
			checkAnswer(t, fold(want))
		})
	}
	if seen == 0 {
		t.Error("no recorded stream was read")
	}
}

func TestRecordedBodiesAreDecoded(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, rec := range recordings(t) {
		if rec.Body == nil {
			continue
		}
		seen++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := gemini.Dialect{}.DecodeResponse(rec.Body)
			if rec.Status != 200 {
				var failed *llm.Error
				if !errors.As(err, &failed) || failed.Message == "" {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var stream [][]byte
			for _, e := range elements(t, rec.Body) {
				stream = append(stream, e)
			}
			all, _, usage := decodeAll(t, stream)
			if diff := cmp.Diff(fold(all), got); diff != "" {
				t.Errorf("(-streamed +whole):\n%s", diff)
			}
			w := gemini.Dialect{}.Watch(nil)
			if _, err := w.Write(rec.Body); err != nil {
				t.Fatal(err)
			}
			if passing, _ := w.Usage(); w.End() == nil && passing != usage {
				t.Errorf("usage %+v decoded, %+v in passing", usage, passing)
			}
			checkAnswer(t, got)
		})
	}
	if seen == 0 {
		t.Error("no recorded body was read")
	}
}

// lossy are the fields that the wire does not bring back: when it was made, what vendors' tools cost, and words of finish.
var lossy = cmp.Options{
	cmpopts.IgnoreFields(llm.Response{}, "Created"),
	cmpopts.IgnoreFields(llm.Usage{}, "ToolUses"),
	cmpopts.IgnoreFields(llm.Citation{}, "Cited"),
	cmpopts.EquateEmpty(),
}

// checkAnswer holds that an answer that is written, whole or as a stream, is read as the same.
func checkAnswer(t *testing.T, r *llm.Response) {
	t.Helper()
	back, err := gemini.Dialect{}.DecodeResponse(gemini.Dialect{}.EncodeResponse(r, nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back, lossy); diff != "" {
		t.Errorf("whole (-want +got):\n%s", diff)
	}
	stream := encodeAll(t, r, nil)
	all, whole, _ := decodeAll(t, events(t, stream, 7))
	if !whole {
		t.Errorf("not whole: %s", stream)
	}
	streamed := fold(all)
	streamed.Filter = r.Filter // events have none
	if diff := cmp.Diff(r, streamed, lossy); diff != "" {
		t.Errorf("streamed (-want +got):\n%s", diff)
	}
}

func TestRecordedRequestsComeBack(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' || rec.Status == 400 {
			continue
		}
		seen++
		for _, model := range []string{"gemini-1.5-flash", "gemini-2.5-flash", "gemini-3-pro-preview"} {
			t.Run(fmt.Sprint(name, "/", model), func(t *testing.T) {
				t.Parallel()
				at := dialect.At{Model: model}
				want, err := gemini.Dialect{}.DecodeRequest(rec.Request, at)
				if err != nil {
					t.Fatal(err)
				}
				body, dropped, err := gemini.Dialect{}.EncodeRequest(want, dialect.Target{Model: model})
				if err != nil {
					t.Fatal(err)
				}
				got, err := gemini.Dialect{}.DecodeRequest(body, at)
				if err != nil {
					t.Fatalf("%s: %v", body, err)
				}
				for _, f := range dropped {
					if f != llm.FieldReasoning && f != llm.FieldFormat {
						t.Errorf("dropped %s", f)
					}
				}
				options := cmp.Options{cmpopts.EquateEmpty(), cmp.FilterValues(func(a, b llm.JSON) bool { return len(a)+len(b) > 0 }, cmp.Comparer(sameJSON))}
				if slices.Contains(dropped, llm.FieldReasoning) || model != "gemini-2.5-flash" {
					options = append(options, cmpopts.IgnoreFields(llm.Request{}, "Reasoning"))
				}
				if slices.Contains(dropped, llm.FieldFormat) {
					options = append(options, cmpopts.IgnoreFields(llm.Request{}, "Format"))
				}
				if model == "gemini-1.5-flash" { // its schemas are smaller
					options = append(options, cmpopts.IgnoreFields(llm.Tool{}, "Schema"), cmpopts.IgnoreFields(llm.Format{}, "Schema"))
				}
				if diff := cmp.Diff(merged(want), merged(got), options); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
	if seen == 0 {
		t.Error("no recorded request was read")
	}
}

// merged is a request whose neighbours of one role are one message.
func merged(r *llm.Request) *llm.Request {
	out := *r
	out.Messages = nil
	for _, m := range r.Messages {
		if n := len(out.Messages); n > 0 && out.Messages[n-1].Role == m.Role {
			out.Messages[n-1].Blocks = append(slices.Clip(out.Messages[n-1].Blocks), m.Blocks...)
			continue
		}
		out.Messages = append(out.Messages, m)
	}
	for i := range out.Messages { // results come first
		slices.SortStableFunc(out.Messages[i].Blocks, func(a, b llm.Block) int {
			return rank(a) - rank(b)
		})
	}
	return &out
}

func rank(b llm.Block) int {
	if b.Kind == llm.ToolResult {
		return 0
	}
	return 1
}

func sameJSON(a, b llm.JSON) bool {
	a, b = a.Clone(), b.Clone()
	return a.Canonicalize() == nil && b.Canonicalize() == nil && string(a) == string(b)
}

// foreign is an answer of another vendor.
func foreign() *llm.Response {
	return &llm.Response{ID: "msg_1", Model: "claude-x", HasUsage: true,
		Usage: llm.Usage{Input: 10, CachedInput: 5, CacheWrite5m: 3, Output: 20, Reasoning: 4},
		Candidates: []llm.Candidate{{Finish: llm.FinishTools, Reason: "tool_use", Blocks: []llm.Block{
			{Kind: llm.Thinking, Text: "let me see", State: llm.State{Origin: llm.Anthropic, Data: "sig=="}},
			{Kind: llm.Thinking, State: llm.State{Origin: llm.Anthropic, Data: "sealed", Redacted: true}},
			{Kind: llm.Text, Text: "Looking."},
			{Kind: llm.ToolCall, Call: llm.Call{ID: "toolu_1", Name: "f", Input: `{"a":1}`}},
			{Kind: llm.ToolCall, Call: llm.Call{ID: "toolu_2", Name: "g", Input: "free\ntext", Custom: true}},
		}}}}
}

// TestForeignThinkingSurvivesAClientOfGemini plays the client: it sends the parts that it got back, all of them or those
// that clients keep, and the next request has the thinking with its signatures where it was.
func TestForeignThinkingSurvivesAClientOfGemini(t *testing.T) {
	t.Parallel()
	want := foreign().Candidates[0].Blocks
	for _, to := range []*llm.Request{nil, {Reasoning: llm.Reasoning{Summary: "none"}}} {
		whole := string(gemini.Dialect{}.EncodeResponse(foreign(), to))
		for name, answers := range map[string][]string{"whole": {whole}, "streamed": strings.Split(strings.TrimSpace(strings.ReplaceAll(encodeAll(t, foreign(), to), "data: ", "")), "\n\n")} {
			for _, keepThoughts := range []bool{true, false} {
				body := clientTurn(t, answers, keepThoughts)
				r, err := gemini.Dialect{}.DecodeRequest(body, dialect.At{Model: "m"})
				if err != nil {
					t.Fatalf("%s: %v", body, err)
				}
				var got []llm.Block
				for _, b := range r.Messages[1].Blocks {
					if b.Kind != llm.Text || b.Text != "" {
						got = append(got, b)
					}
				}
				sortThinking := cmpopts.SortSlices(func(a, b llm.Block) bool { return rank2(a) < rank2(b) })
				if diff := cmp.Diff(want, got, sortThinking, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s, thoughts kept %v, shown %v: (-want +got):\n%s", name, keepThoughts, to == nil, diff)
				}
				results := r.Messages[2].Blocks
				if len(results) != 2 || results[0].Result.CallID != "toolu_1" || results[1].Result.CallID != "toolu_2" || !results[1].Result.Custom || results[1].Result.Name != "g" {
					t.Errorf("results %+v", results)
				}
			}
		}
	}
}

func rank2(b llm.Block) string { return fmt.Sprint(b.Kind, b.Text, b.State.Data, b.Call.ID) }

func TestCarriedSignaturesAreBase64(t *testing.T) {
	t.Parallel()
	body := gemini.Dialect{}.EncodeResponse(foreign(), nil)
	if !llm.Carries(body) || strings.Contains(string(body), llm.Mark) {
		t.Error("what is carried is not found as such")
	}
	_, after, _ := strings.Cut(string(body), `"thoughtSignature":"`)
	signature, _, _ := strings.Cut(after, `"`)
	if _, err := base64.StdEncoding.DecodeString(signature); err != nil {
		t.Errorf("%q: %v", signature, err)
	}
}

func TestAnswersOfAllKindsComeBack(t *testing.T) {
	t.Parallel()
	state := func(s string) llm.State { return llm.State{Origin: llm.Gemini, Data: s} }
	r := &llm.Response{ID: "r1", Model: "gemini-x", ServiceTier: "flex", HasUsage: true,
		Usage: llm.Usage{Input: 90, CachedInput: 10, Output: 30, Reasoning: 10, AudioInput: 5, ImageInput: 6, AudioOutput: 7, ImageOutput: 8},
		Candidates: []llm.Candidate{
			{Index: 0, Finish: llm.FinishTools, Reason: "STOP", Blocks: []llm.Block{
				{Kind: llm.Thinking, Text: "hm\u00e9"},
				{Kind: llm.Text, Text: "a \u00e9\u4e16\U0001F600 b", Citations: []llm.Citation{
					{Start: 2, End: 4, URL: "https://example.com/1", Title: "one"}, {Start: 2, End: 4, URL: "https://example.com/2", Title: "two"},
					{Start: 4, End: 7, URL: "https://example.com/1", Title: "one"}}},
				{Kind: llm.Thinking, State: state("AAAA")},
				{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "iVBORw=="}},
				{Kind: llm.Opaque, Vendor: llm.Gemini, Type: "executableCode", Raw: llm.JSON(`{"executableCode":{"code":"1","language":"PYTHON"}}`)},
				{Kind: llm.ToolCall, Call: llm.Call{ID: "c1", Name: "f", Input: `{"a":[1,2]}`}, State: state("BBBB")},
				{Kind: llm.ToolCall, Call: llm.Call{ID: "c2", Name: "f", Input: `{}`}},
				{Kind: llm.ToolCall, Call: llm.Call{ID: "c3", Name: "c", Input: "free \"text\"", Custom: true}},
			}},
			{Index: 1, Finish: llm.FinishLength, Reason: "MAX_TOKENS", Blocks: []llm.Block{{Kind: llm.Text, Text: "other"}},
				Logprobs: []llm.Logprob{{Token: "other", Logprob: -0.5, Top: []llm.Logprob{{Token: "other", Logprob: -0.5}, {Token: "x", Logprob: -2}}}}},
			{Index: 2, Finish: llm.FinishFilter, Reason: "SAFETY"},
		}}
	checkAnswer(t, r)
}
