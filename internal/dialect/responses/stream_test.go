package responses_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// checker holds that events are well-formed, as llm.Event says.
type checker struct {
	started, finished, failed bool
	open                      []llm.Kind // by index; 0 is closed
}

func (c *checker) add(e *llm.Event) error {
	if c.failed {
		return errors.New("an event behind the failure")
	}
	if (e.Kind == llm.Start) == c.started && e.Kind != llm.Failed {
		return fmt.Errorf("event %d, started %v", e.Kind, c.started)
	}
	c.started = true
	opened := func() bool { return e.Index >= 0 && e.Index < len(c.open) && c.open[e.Index] != 0 }
	switch e.Kind {
	case llm.Open:
		if e.Index != len(c.open) || c.finished {
			return fmt.Errorf("block %d opened as the %d.", e.Index, len(c.open))
		}
		for i, k := range c.open {
			if k != 0 && (k != llm.ToolCall || e.Block.Kind != llm.ToolCall) {
				return fmt.Errorf("block %d is open when %d opens", i, e.Index)
			}
		}
		c.open = append(c.open, e.Block.Kind)
	case llm.Delta, llm.Sign, llm.Cite:
		if !opened() {
			return fmt.Errorf("event %d of block %d that is not open", e.Kind, e.Index)
		}
	case llm.Close:
		if !opened() {
			return fmt.Errorf("block %d closed that is not open", e.Index)
		}
		c.open[e.Index] = 0
	case llm.Finished:
		for i, k := range c.open {
			if k != 0 {
				return fmt.Errorf("block %d is open at the end", i)
			}
		}
		c.finished = true
	case llm.Failed:
		c.failed = true
	case llm.Start, llm.Used, llm.Probs, llm.Alive:
	}
	return nil
}

// decoded is what a stream came to.
type decoded struct {
	events   []llm.Event
	response *llm.Response
	failure  *llm.Error
	done     bool
	whole    bool
	usage    llm.Usage
}

func decodeEvents(data [][]byte) (decoded, error) {
	var out decoded
	var check checker
	var fold llm.Fold
	d := responses.Dialect{}.Decoder()
	emit := func(e *llm.Event) error {
		out.events = append(out.events, *e)
		fold.Add(e)
		if e.Kind == llm.Failed {
			out.failure = e.Err
		}
		return check.add(e)
	}
	for _, text := range data {
		done, err := d.Decode(text, emit)
		if err != nil {
			return out, err
		}
		if out.done = done; done {
			break
		}
	}
	whole, err := d.End(emit)
	out.whole, out.response = whole, fold.Response()
	out.usage, _ = d.Usage()
	return out, err
}

func TestRecordedStreams(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if rec.Lines == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := strings.Join(rec.Lines, "\n")
			all := events(t, stream, len(stream))
			got, err := decodeEvents(all)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 7} {
				again, err := decodeEvents(events(t, stream, n))
				if diff := cmp.Diff(got.events, again.events); diff != "" || err != nil {
					t.Fatalf("by %d: %v\n%s", n, err, diff)
				}
			}
			w := responses.Dialect{}.Watch(nil)
			for _, data := range all {
				if _, err := w.Event(data); err != nil {
					t.Fatal(err)
				}
			}
			if u, _ := w.Usage(); u != got.usage {
				t.Errorf("usage: watch %+v, decoder %+v", u, got.usage)
			}
			last := struct{ Response json.RawMessage }{}
			for _, data := range all {
				if err := json.Unmarshal(data, &last); err != nil {
					t.Fatal(err)
				}
			}
			whole, err := responses.Dialect{}.DecodeResponse(last.Response)
			var failure *llm.Error
			if errors.As(err, &failure) {
				if got.whole || got.failure == nil || got.failure.Message != failure.Message || got.failure.Class != failure.Class {
					t.Errorf("failed with %+v, the whole says %+v", got.failure, failure)
				}
				return
			}
			if err != nil || !got.done || !got.whole {
				t.Fatalf("%v, done %v, whole %v", err, got.done, got.whole)
			}
			anew := cmp.Options{ // what is sealed is sealed anew for each event
				cmp.Transformer("sealed", func(s llm.State) llm.State { s.Data = s.Data[:min(len(s.Data), 4)]; return s }),
				cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Raw" }, cmp.Transformer("compaction", func(raw llm.JSON) string {
					text, _, _ := strings.Cut(string(raw), `"encrypted_content"`)
					return text
				})),
			}
			if diff := cmp.Diff(whole, got.response, anew); diff != "" {
				t.Errorf("the stream is not the whole (-whole +stream):\n%s", diff)
			}
			roundTrip(t, whole, nil)
		})
	}
}

func TestRecordedBodiesDecode(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if rec.Body == nil || rec.counts() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if rec.Status != 200 {
				e := responses.Dialect{}.DecodeError(rec.Status, rec.Body)
				again := responses.Dialect{}.DecodeError(rec.Status, responses.Dialect{}.EncodeError(e))
				if diff := cmp.Diff(e, again); diff != "" || e.Message == "" {
					t.Error(diff)
				}
				return
			}
			r, err := responses.Dialect{}.DecodeResponse(rec.Body)
			var failure *llm.Error
			if errors.As(err, &failure) {
				if failure.Message == "" || failure.Kind() != llm.OutOfQuota {
					t.Errorf("%+v", failure)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w := responses.Dialect{}.Watch(nil)
			if _, err := w.Write(rec.Body); err != nil || w.End() != nil {
				t.Fatal(err)
			}
			if u, _ := w.Usage(); u != r.Usage {
				t.Errorf("usage: watch %+v, decoder %+v", u, r.Usage)
			}
			roundTrip(t, r, nil)
		})
	}
}

// encode writes an answer as a stream.
func encode(t testing.TB, r *llm.Response, to *llm.Request) string {
	t.Helper()
	e := responses.Dialect{}.Encoder(to)
	var out []byte
	err := r.Events(func(ev *llm.Event) error {
		var err error
		out, err = e.Append(out, ev)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(e.AppendEnd(out))
}

// roundTrip holds that an answer, written whole and as a stream, reads as what it was, and that what is written is what
// the description of the API says.
func roundTrip(t *testing.T, r *llm.Response, to *llm.Request) {
	t.Helper()
	body := responses.Dialect{}.EncodeResponse(r, to)
	holds(t, "Response", body)
	whole, err := responses.Dialect{}.DecodeResponse(body)
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	opt := cmp.Options{cmpopts.IgnoreFields(llm.Usage{}, "ToolUses"), cmpopts.IgnoreFields(llm.Response{}, "ServiceTier", "Fingerprint"),
		cmpopts.IgnoreFields(llm.Candidate{}, "Reason")}
	if diff := cmp.Diff(r, whole, opt); diff != "" {
		t.Errorf("whole (-want +got):\n%s", diff)
	}
	all := events(t, encode(t, r, to), 7)
	got, err := decodeEvents(all)
	if err != nil || !got.done || !got.whole {
		t.Fatalf("%v, done %v, whole %v", err, got.done, got.whole)
	}
	ids := cmp.Transformer("sealed", func(s llm.State) string { return s.Data }) // an id is told when the item is done, too late for its name
	if diff := cmp.Diff(r, got.response, opt, ids); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
	w := responses.Dialect{}.Watch(nil)
	for i, data := range all {
		if _, err := w.Event(data); err != nil {
			t.Fatal(err)
		}
		checkEvent(t, i, data)
	}
	if u, _ := w.Usage(); u != got.usage {
		t.Errorf("usage: watch %+v, decoder %+v", u, got.usage)
	}
}

// schemas are the names of the description for types of events.
var schemas = map[string]string{
	"response.created": "ResponseCreatedEvent", "response.in_progress": "ResponseInProgressEvent", "response.completed": "ResponseCompletedEvent",
	"response.incomplete": "ResponseIncompleteEvent", "response.failed": "ResponseFailedEvent",
	"response.output_item.added": "ResponseOutputItemAddedEvent", "response.output_item.done": "ResponseOutputItemDoneEvent",
	"response.content_part.added": "ResponseContentPartAddedEvent", "response.content_part.done": "ResponseContentPartDoneEvent",
	"response.output_text.delta": "ResponseTextDeltaEvent", "response.output_text.done": "ResponseTextDoneEvent",
	"response.output_text.annotation.added": "ResponseOutputTextAnnotationAddedEvent",
	"response.refusal.delta":                "ResponseRefusalDeltaEvent", "response.refusal.done": "ResponseRefusalDoneEvent",
	"response.reasoning_summary_part.added": "ResponseReasoningSummaryPartAddedEvent", "response.reasoning_summary_part.done": "ResponseReasoningSummaryPartDoneEvent",
	"response.reasoning_summary_text.delta": "ResponseReasoningSummaryTextDeltaEvent", "response.reasoning_summary_text.done": "ResponseReasoningSummaryTextDoneEvent",
	"response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDeltaEvent", "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDoneEvent",
	"response.custom_tool_call_input.delta": "ResponseCustomToolCallInputDeltaEvent", "response.custom_tool_call_input.done": "ResponseCustomToolCallInputDoneEvent",
	"error": "ResponseErrorEvent",
}

func checkEvent(t *testing.T, number int, data []byte) {
	t.Helper()
	var head struct {
		Type   string
		Number int `json:"sequence_number"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if head.Number != number {
		t.Errorf("event %d has number %d", number, head.Number)
	}
	schema, ok := schemas[head.Type]
	if !ok {
		t.Fatalf("unknown event %s", data)
	}
	holds(t, schema, data)
}

var _ dialect.Dialect = responses.Dialect{}
