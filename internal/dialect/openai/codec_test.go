package openai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
	"aihigress/internal/sse"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fold reads a stream n bytes at a time and returns its events, the answer that they make, and whether it was whole.
func fold(t *testing.T, stream string, n int) ([]llm.Event, *llm.Response, bool) {
	t.Helper()
	events, response, whole, err := foldStream(stream, n)
	if err != nil {
		t.Fatalf("%v in %s", err, stream)
	}
	return events, response, whole
}

func foldStream(stream string, n int) (events []llm.Event, response *llm.Response, whole bool, err error) {
	d := openai.Dialect{}.Decoder()
	var f llm.Fold
	emit := func(e *llm.Event) error {
		events = append(events, *e)
		f.Add(e)
		return nil
	}
	in := sse.NewReader(pieces{strings.NewReader(stream), n}, 0)
	defer in.Close()
	for {
		ev, end := in.Next()
		if ev.Kind == sse.Message && len(ev.Data) > 0 && (end == nil || errors.Is(end, io.ErrUnexpectedEOF)) {
			done, bad := d.Decode(ev.Data, emit)
			if bad != nil {
				return events, nil, false, bad
			}
			if done {
				break
			}
		}
		if end != nil {
			break
		}
	}
	whole, err = d.End(emit)
	return events, f.Response(), whole, err
}

// wellFormed checks what the neutral model says of a stream.
func wellFormed(events []llm.Event) string {
	open := map[int]llm.Kind{}
	finished := map[int]bool{}
	next := 0
	for i, e := range events {
		switch e.Kind {
		case llm.Start:
			if i != 0 {
				return "a start that is not first"
			}
		case llm.Open:
			if e.Index != next || finished[e.Candidate] {
				return "a block out of order"
			}
			next++
			open[e.Index] = e.Block.Kind
		case llm.Delta, llm.Cite, llm.Sign:
			if _, ok := open[e.Index]; !ok {
				return "something for a block that is not open"
			}
		case llm.Close:
			if _, ok := open[e.Index]; !ok {
				return "a block closed twice"
			}
			delete(open, e.Index)
		case llm.Finished:
			if finished[e.Candidate] {
				return "a candidate finished twice"
			}
			finished[e.Candidate] = true
		}
		if i == 0 && e.Kind != llm.Start && e.Kind != llm.Failed {
			return "no start"
		}
	}
	if last := events[len(events)-1]; len(open) > 0 && last.Kind != llm.Failed {
		return "a block was left open"
	}
	return ""
}

// write encodes an answer as a stream.
func write(t testing.TB, r *llm.Response, to *llm.Request) string {
	t.Helper()
	e := openai.Dialect{}.Encoder(to)
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

// data wraps documents as events.
func data(documents ...string) string {
	var b strings.Builder
	for _, d := range documents {
		b.WriteString("data: " + d + "\n\n")
	}
	return b.String()
}

// chunk is a chunk with a delta.
func chunk(delta, finish string) string {
	if finish != "null" {
		finish = `"` + finish + `"`
	}
	return `{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{` + delta + `},"logprobs":null,"finish_reason":` + finish + `}]}`
}

// sameJSON looks past white space.
var sameJSON = cmp.FilterValues(func(a, b llm.JSON) bool { return len(a) > 0 && len(b) > 0 }, cmp.Comparer(func(a, b llm.JSON) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}))

// sameAnswer leaves out what the two forms of an answer do not share.
var sameAnswer = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(llm.Candidate{}, "Reason")}

func TestRecordedStreamsDecode(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if rec.Lines == nil || rec.API != "chat/completions" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := strings.Join(rec.Lines, "\n")
			watch := openai.Dialect{}.Watch(nil)
			in := sse.NewReader(strings.NewReader(stream), 0)
			defer in.Close()
			var want expectation
			for {
				ev, err := in.Next()
				if ev.Kind == sse.Message && err == nil {
					if c, bad := watch.Event(ev.Data); bad != nil {
						t.Fatal(bad)
					} else if !c.Done {
						want.add(t, rec.Provider, ev.Data)
					}
				}
				if err != nil {
					break
				}
			}
			events, response, whole := fold(t, stream, len(stream))
			if bad := wellFormed(events); bad != "" || !whole {
				t.Errorf("whole %v: %s", whole, bad)
			}
			for _, n := range []int{1, 7} {
				again, _, _ := fold(t, stream, n)
				if diff := cmp.Diff(events, again); diff != "" {
					t.Errorf("%d bytes at a time (-all +pieces):\n%s", n, diff)
				}
			}
			usage, ok := watch.Usage()
			if usage != response.Usage || ok != response.HasUsage {
				t.Errorf("usage %+v, %v; the watch says %+v, %v", response.Usage, response.HasUsage, usage, ok)
			}
			if got := textBytes(response); got != want.text {
				t.Errorf("%d bytes of text, want %d", got, want.text)
			}
			roundTrip(t, response)
		})
	}
}

// textBytes is the size of all that was generated.
func textBytes(r *llm.Response) int {
	n := 0
	for _, c := range r.Candidates {
		for _, b := range c.Blocks {
			n += len(b.Text) + len(b.Call.Name) + len(b.Call.Input)
		}
	}
	return n
}

// roundTrip writes an answer in both forms and reads it again.
func roundTrip(t *testing.T, want *llm.Response) {
	t.Helper()
	for i := range want.Candidates {
		for j := range want.Candidates[i].Blocks {
			if call := &want.Candidates[i].Blocks[j].Call; call.Input == "" && call.Name != "" {
				call.Input = "{}" // which is what is written for it
			}
		}
	}
	to := &llm.Request{Model: "m", IncludeUsage: true}
	whole, err := openai.Dialect{}.DecodeResponse(openai.Dialect{}.EncodeResponse(want, to))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, whole, sameAnswer); diff != "" {
		t.Errorf("written at once and read again (-want +got):\n%s", diff)
	}
	stream := write(t, want, to)
	events, streamed, complete := fold(t, stream, len(stream))
	if bad := wellFormed(events); bad != "" || !complete {
		t.Errorf("our own stream: whole %v, %s", complete, bad)
	}
	if diff := cmp.Diff(want, streamed, sameAnswer); diff != "" {
		t.Errorf("streamed and read again (-want +got):\n%s", diff)
	}
}

func TestRecordedBodiesDecode(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if rec.Body == nil || rec.Status != 200 || rec.API != "chat/completions" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := openai.Dialect{}.DecodeResponse(rec.Body)
			if err != nil {
				t.Fatal(err)
			}
			watch := openai.Dialect{}.Watch(nil)
			_, _ = watch.Write(rec.Body)
			if err := watch.End(); err != nil {
				t.Fatal(err)
			}
			if usage, ok := watch.Usage(); usage != got.Usage || ok != got.HasUsage {
				t.Errorf("usage %+v, the watch says %+v, %v", got.Usage, usage, ok)
			}
			var want expectation
			want.add(t, rec.Provider, rec.Body)
			if n := textBytes(got); n != want.text {
				t.Errorf("%d bytes of text, want %d", n, want.text)
			}
			var raw struct {
				ID      string
				Choices []struct {
					Message struct {
						ToolCalls   []struct{ ID string } `json:"tool_calls"`
						Annotations []json.RawMessage
					}
				}
			}
			if err := json.Unmarshal(rec.Body, &raw); err != nil || raw.ID != got.ID || len(raw.Choices) != len(got.Candidates) {
				t.Fatalf("%d candidates of %q, %v", len(got.Candidates), got.ID, err)
			}
			for i, c := range raw.Choices {
				var ids []string
				cited := 0
				for _, b := range got.Candidates[i].Blocks {
					if b.Kind == llm.ToolCall && b.Call.Name != "" && len(c.Message.ToolCalls) > 0 {
						ids = append(ids, b.Call.ID)
					}
					cited += len(b.Citations)
				}
				if len(ids) != len(c.Message.ToolCalls) || cited != len(c.Message.Annotations) {
					t.Errorf("calls %v, %d citations; want %d and %d", ids, cited, len(c.Message.ToolCalls), len(c.Message.Annotations))
				}
			}
			roundTrip(t, got)
		})
	}
}

func TestRecordedRequestsSurvive(t *testing.T) {
	t.Parallel()
	read := 0
	for name, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' || rec.API != "chat/completions" {
			continue
		}
		read++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := openai.Dialect{}.DecodeRequest(rec.Request, dialect.At{})
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range []string{"api.openai.com", "openrouter.ai"} {
				body, drops, err := openai.Dialect{}.EncodeRequest(want, dialect.Target{Model: want.Model, Stream: want.Stream, Host: host, KeepExtra: true})
				if err != nil {
					t.Fatal(err)
				}
				got, err := openai.Dialect{}.DecodeRequest(body, dialect.At{})
				if err != nil {
					t.Fatalf("%s: %v", body, err)
				}
				options := cmp.Options{sameJSON, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(llm.Request{}, "Functions"), cmpopts.IgnoreFields(llm.Cache{}, "TTL")}
				switch {
				case host != "api.openai.com": // what OpenAI takes of these, others take as well
					options = append(options, cmpopts.IgnoreFields(llm.Request{}, "Messages", "Reasoning"))
				case strings.Contains(rec.Provider, "openrouter"), strings.Contains(rec.Provider, "deepseek"), strings.Contains(rec.Provider, "groq"):
					// OpenAI has no place for some of what these have; it is in the drops
					options = append(options, cmpopts.IgnoreFields(llm.Block{}, "Cache"), cmpopts.IgnoreFields(llm.Tool{}, "Cache"), cmpopts.IgnoreFields(llm.Request{}, "Reasoning", "Extra"))
				}
				if diff := cmp.Diff(want, got, options); diff != "" {
					t.Errorf("%s, dropped %v (-want +got):\n%s", host, drops, diff)
				}
			}
		})
	}
	if read == 0 {
		t.Error("no recorded request was read")
	}
}
