package responses_test

import (
	"testing"

	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
)

// TestTierOfService: it is read from the last event, and from a body.
func TestTierOfService(t *testing.T) {
	t.Parallel()
	want := llm.Usage{Input: 10, Output: 4, Tier: llm.Priority}
	w := responses.Dialect{}.Watch(nil)
	for _, event := range []string{
		`{"type":"response.created","response":{"id":"r","status":"in_progress","service_tier":"auto"}}`,
		`{"type":"response.completed","response":{"id":"r","status":"completed","service_tier":"priority","usage":{"input_tokens":10,"output_tokens":4,"total_tokens":14}}}`,
	} {
		if _, err := w.Event([]byte(event)); err != nil {
			t.Fatal(err)
		}
	}
	if u, ok := w.Usage(); !ok || u != want {
		t.Errorf("%+v, %t", u, ok)
	}
	w = responses.Dialect{}.Watch(nil)
	if _, err := w.Write([]byte(`{"id":"r","status":"completed","service_tier":"priority","output":[],"usage":{"input_tokens":10,"output_tokens":4,"total_tokens":14}}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	if u, ok := w.Usage(); !ok || u != want {
		t.Errorf("%+v, %t", u, ok)
	}
}
