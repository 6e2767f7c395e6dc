package anthropic_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

// same compares two JSON documents by value.
func same(t testing.TB, want, got string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if err := json.Unmarshal([]byte(got), &b); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("got %s\n(-want +got):\n%s", got, diff)
	}
}

// encode writes a request for a model and returns it with what was left out.
func encode(t testing.TB, r *llm.Request, target dialect.Target) (string, string) {
	t.Helper()
	body, dropped, err := anthropic.Dialect{}.EncodeRequest(r, target)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), fmt.Sprint(dropped)
}

func decode(t testing.TB, body string) *llm.Request {
	t.Helper()
	r, err := anthropic.Dialect{}.DecodeRequest([]byte(body), dialect.At{})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

// decodeStream folds a stream that is read n bytes at a time, and returns its events too.
func decodeStream(t testing.TB, stream string, n int) (*llm.Response, []llm.Event, bool) {
	t.Helper()
	d := anthropic.Dialect{}.Decoder()
	var fold llm.Fold
	var events []llm.Event
	emit := func(e *llm.Event) error {
		fold.Add(e)
		events = append(events, *e)
		return nil
	}
	done := false
	each(t, stream, n, func(data []byte) {
		last, err := d.Decode(data, emit)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		done = done || last
	})
	whole, err := d.End(emit)
	if err != nil {
		t.Fatal(err)
	}
	return fold.Response(), events, whole && done
}

// encodeStream writes the events of an answer.
func encodeStream(t testing.TB, events []llm.Event) string {
	t.Helper()
	x := anthropic.Dialect{}.Encoder(&llm.Request{Model: "asked"})
	var out []byte
	for i := range events {
		if events[i].Kind == llm.Failed {
			continue
		}
		var err error
		if out, err = x.Append(out, &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	return string(x.AppendEnd(out))
}

func TestRecordedStreamsTranslated(t *testing.T) {
	t.Parallel()
	streams := 0
	for name, rec := range recordings(t) {
		if rec.Lines == nil {
			continue
		}
		streams++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, events, whole := decodeStream(t, rec.stream(), len(rec.stream()))
			if failed := strings.Contains(rec.stream(), "event: error"); whole == failed {
				t.Errorf("whole %v of a stream that fails: %v", whole, failed)
			}
			for _, n := range []int{1, 7} {
				got, again, _ := decodeStream(t, rec.stream(), n)
				if diff := cmp.Diff(events, again) + cmp.Diff(want, got); diff != "" {
					t.Errorf("at %d bytes a read:\n%s", n, diff)
				}
			}
			watch := anthropic.Dialect{}.Watch(nil)
			each(t, rec.stream(), 512, func(data []byte) {
				if _, err := watch.Event(data); err != nil {
					t.Fatal(err)
				}
			})
			if u, _ := watch.Usage(); u != want.Usage {
				t.Errorf("the watch read %+v, the decoder %+v", u, want.Usage)
			}
			if !whole {
				return
			}
			stream := encodeStream(t, events)
			checkStream(t, stream)
			got, _, whole := decodeStream(t, stream, len(stream))
			if diff := cmp.Diff(neutral(want), neutral(got)); diff != "" || !whole {
				t.Errorf("encoded and decoded again, whole %v (-want +got):\n%s", whole, diff)
			}
			checkWhole(t, want)
		})
	}
	if streams == 0 {
		t.Error("no recorded stream was read")
	}
}

// neutral makes two answers comparable: how JSON is spaced does not matter, nor on which of its sides a total is told.
func neutral(r *llm.Response) *llm.Response {
	c := *r
	c.Candidates = nil
	for _, candidate := range r.Candidates {
		blocks := candidate.Blocks
		candidate.Blocks = nil
		for _, b := range blocks {
			if b.Kind == llm.Refusal {
				b.Kind = llm.Text // which is how a caller of this dialect gets it
			}
			if len(b.Raw) > 0 {
				b.Raw = compact(b.Raw)
			}
			if len(b.Call.Input) > 0 && !b.Call.Custom {
				b.Call.Input = string(compact(llm.JSON(b.Call.Input)))
			}
			citations := b.Citations
			b.Citations = nil
			for _, c := range citations {
				c.Raw = compact(c.Raw)
				b.Citations = append(b.Citations, c)
			}
			candidate.Blocks = append(candidate.Blocks, b)
		}
		c.Candidates = append(c.Candidates, candidate)
	}
	return &c
}

func compact(v llm.JSON) llm.JSON {
	var any any
	if json.Unmarshal(v, &any) != nil {
		return v
	}
	out, _ := json.Marshal(any)
	return out
}

// checkWhole encodes an answer as a whole and as a stream, and reads both again.
func checkWhole(t testing.TB, want *llm.Response) {
	t.Helper()
	body := anthropic.Dialect{}.EncodeResponse(want, nil)
	if strings.Contains(string(body), "advisor") || strings.Contains(string(body), `"compaction"`) { // betas
		checkSchema(t, "BetaMessage", body)
	} else {
		checkSchema(t, "Message", body)
	}
	got, err := anthropic.Dialect{}.DecodeResponse(body)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if diff := cmp.Diff(neutral(want), neutral(got)); diff != "" {
		t.Errorf("a whole answer (-want +got):\n%s", diff)
	}
	var events []llm.Event
	if err := want.Events(func(e *llm.Event) error { events = append(events, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	stream := encodeStream(t, events)
	checkStream(t, stream)
	got, _, whole := decodeStream(t, stream, len(stream))
	want.ServiceTier, got.ServiceTier = "", ""
	if diff := cmp.Diff(neutral(want), neutral(got)); diff != "" || !whole {
		t.Errorf("a whole answer as a stream, whole %v (-want +got):\n%s", whole, diff)
	}
}

func TestRecordedBodiesTranslated(t *testing.T) {
	t.Parallel()
	bodies := 0
	for name, rec := range recordings(t) {
		if rec.Body == nil || rec.Status != 200 || rec.API == "count_tokens" {
			continue
		}
		bodies++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := anthropic.Dialect{}.DecodeResponse(rec.Body)
			if err != nil {
				t.Fatal(err)
			}
			w := anthropic.Dialect{}.Watch(nil)
			if _, err := w.Write(rec.Body); err != nil {
				t.Fatal(err)
			}
			if u, ok := w.Usage(); u != r.Usage || ok != r.HasUsage {
				t.Errorf("the watch read %+v, the decoder %+v", u, r.Usage)
			}
			checkWhole(t, r)
		})
	}
	if bodies == 0 {
		t.Error("no recorded body was read")
	}
}

func TestRecordedRequestsTranslated(t *testing.T) {
	t.Parallel()
	requests := 0
	for name, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' {
			continue
		}
		requests++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := []byte(rec.Request)
			if !strings.Contains(string(body), `"model"`) { // Vertex has it in the address
				body = append([]byte(`{"model":"claude-3-7-sonnet@20250219",`), body[1:]...)
			}
			d := anthropic.Dialect{}
			want, err := d.DecodeCount(body)
			if err != nil {
				t.Fatal(err)
			}
			if delete(want.Extra, "anthropic_version"); len(want.Extra) == 0 {
				want.Extra = nil
			}
			encoded, dropped, err := d.EncodeRequest(want, dialect.Target{Model: want.Model, Stream: want.Stream})
			if err != nil {
				t.Fatal(err)
			}
			if len(dropped) > 0 && !strings.HasPrefix(name, "001") { // forces a tool beside thinking, which counting allows
				t.Errorf("dropped %v", dropped)
			}
			got, err := d.DecodeRequest(encoded, dialect.At{})
			if err != nil {
				t.Fatalf("%s: %v", encoded, err)
			}
			if want.MaxTokens == 0 {
				got.MaxTokens = 0
			}
			if strings.HasPrefix(name, "001") {
				want.Reasoning = llm.Reasoning{}
			}
			if diff := cmp.Diff(normal(want), normal(got)); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", encoded, diff)
			}
		})
	}
	if requests == 0 {
		t.Error("no recorded request was read")
	}
}

// normal makes two requests comparable: what is not said may be nil or empty.
func normal(r *llm.Request) string {
	if r.Parallel != nil && *r.Parallel {
		r.Parallel = nil
	}
	for i := range r.Tools {
		if s := string(r.Tools[i].Schema); s == `{"type": "object"}` || s == `{"type":"object"}` {
			r.Tools[i].Schema = nil
		}
		r.Tools[i].Schema = compact(r.Tools[i].Schema)
	}
	out, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// checkStream holds a stream against the order of events that the protocol demands, and its events against the schema.
func checkStream(t testing.TB, stream string) {
	t.Helper()
	open, next, began, stopped := -1, 0, false, false
	each(t, stream, len(stream), func(data []byte) {
		var e struct {
			Type  string
			Index int
		}
		if err := json.Unmarshal(data, &e); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		ok := began && !stopped
		switch e.Type {
		case "message_start":
			ok, began = !began, true
			checkSchema(t, "MessageStartEvent", data)
		case "content_block_start":
			ok = ok && open < 0 && e.Index == next
			open, next = e.Index, next+1
		case "content_block_delta":
			ok = ok && open == e.Index
			checkSchema(t, "ContentBlockDeltaEvent", data)
		case "content_block_stop":
			ok = ok && open == e.Index
			open = -1
			checkSchema(t, "ContentBlockStopEvent", data)
		case "message_delta":
			ok = ok && open < 0
			checkSchema(t, "MessageDeltaEvent", data)
		case "message_stop":
			stopped = true
		case "ping":
			ok = true
		default:
			ok = false
		}
		if !ok {
			t.Errorf("out of order: %s", data)
		}
	})
	if !stopped {
		t.Error("no message_stop")
	}
}
