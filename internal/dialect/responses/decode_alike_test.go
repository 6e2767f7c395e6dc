package responses

import (
	"errors"
	"fmt"
	"testing"

	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawPieces are events of a stream, most of them alike, as vendors and those who mean harm write them.
func drawPieces(t *rapid.T) []string {
	events := []string{`{"type":"response.created","response":{"id":"r","model":"m"}}`}
	text := rapid.SampledFrom([]string{" a", "word", "é", `\n`, `\u0041`, "\xff", "", "a\xff", fmt.Sprintf("%01200d", 7)})
	form := rapid.SampledFrom([]string{
		`{"type":"response.output_text.delta","sequence_number":%d,"item_id":"msg_%[2]d","output_index":%[3]d,"content_index":0,"delta":"%[4]s","logprobs":[],"obfuscation":"%[2]dx"}`,
		`{"type":"response.output_text.delta","sequence_number":%d,"item_id":"msg_%[2]d","output_index":%[3]d,"content_index":1,"delta":"%[4]s"}`,
		`{"type":"response.output_text.delta", "n":%d,"item_id":"msg_%[2]d","output_index":%[3]d,"delta":"%[4]s","logprobs":[{"token":"%[2]d","logprob":0,"bytes":[%[2]d]}]}`,
		`{"type":"response.output_text.delta","n":%d,"m":%[2]d,"output_index":%[3]d,"delta":"%[4]s","delta":"twice"}`,
		`{"type":"response.output_text.delta","n":%d,"m":%[2]d,"output_index":%[3]d,"d\u0065lta":"%[4]s"}`,
		`{"type":"response.refusal.delta","n":%d,"m":%[2]d,"output_index":%[3]d,"content_index":0,"delta":"%[4]s"}`,
		`{"type":"response.reasoning_summary_text.delta","n":%d,"m":%[2]d,"output_index":%[3]d,"summary_index":0,"delta":"%[4]s"}`,
		`{"type":"response.reasoning_text.delta","n":%d,"m":%[2]d,"output_index":%[3]d,"content_index":0,"delta":"%[4]s"}`,
		`{"type":"response.output_item.added","n":%d,"output_index":%[3]d,"item":{"type":"function_call","id":"%[4]s","call_id":"c%[2]d","name":"f"}}`,
		`{"type":"response.function_call_arguments.delta","n":%d,"item_id":"fc_%[2]d","output_index":%[3]d,"delta":"%[4]s"}`,
		`{"n":%d,"m":%[2]d,"output_index":%[3]d,"delta":"%[4]s","type":"response.output_text.delta","error":null}`,
		`{"type":"response.vendor.delta","n":%d,"m":%[2]d,"output_index":%[3]d,"delta":"%[4]s"}`,
	})
	for range rapid.IntRange(1, 12).Draw(t, "runs") {
		f, output := form.Draw(t, "form"), rapid.IntRange(0, 2).Draw(t, "output")
		for range rapid.IntRange(1, 4).Draw(t, "run") {
			events = append(events, fmt.Sprintf(f, rapid.IntRange(0, 99).Draw(t, "n"), rapid.IntRange(0, 12).Draw(t, "m"), output, text.Draw(t, "text")))
		}
	}
	return append(events, `{"type":"response.completed","response":{"status":"completed","output":[]}}`)
}

// told is what a decoder makes of events, each from memory that is used again.
func told(d *decoder, events []string) (all []llm.Event, errs []string) {
	data := make([]byte, 0, 4<<10)
	for _, ev := range events {
		data = append(data[:0], ev...)
		_, err := d.Decode(data, func(e *llm.Event) error {
			all = append(all, *e)
			return nil
		})
		clear(data)
		for ; err != nil; err = errors.Unwrap(err) {
			errs = append(errs, err.Error())
		}
	}
	return all, errs
}

// An event that is like one before says what it would if it were read.
func TestAlike(t *testing.T) {
	t.Parallel()
	matched := 0
	rapid.Check(t, func(t *rapid.T) {
		events := drawPieces(t)
		want, wrong := told(&decoder{learned: maxLearned}, events)
		d := &decoder{}
		got, errs := told(d, events)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s are told as something else (-want +got):\n%s", events, diff)
		}
		if diff := cmp.Diff(wrong, errs); diff != "" {
			t.Fatalf("%s are refused otherwise (-want +got):\n%s", events, diff)
		}
		d = &decoder{}
		for _, ev := range events[:len(events)-1] {
			before := d.learned
			if _, err := d.Decode([]byte(ev), func(*llm.Event) error { return nil }); err == nil && d.learned < before {
				matched++
			}
		}
	})
	if matched == 0 {
		t.Error("no event was like another")
	}
}

// A stream whose pieces are never alike learns no more than so many.
func TestAlikeNever(t *testing.T) {
	t.Parallel()
	d := &decoder{}
	for i := range 10 * maxLearned {
		event := fmt.Sprintf(`{"type":"response.output_text.delta","output_index":%d,"content_index":0,"delta":"a"}`, i)
		if _, err := d.Decode([]byte(event), func(*llm.Event) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if d.learned != maxLearned {
		t.Errorf("%d were learned", d.learned)
	}
}
