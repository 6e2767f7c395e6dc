package openai_test

import (
	"testing"

	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
)

// TestShrinkingCountsAreOdd: the last word counts, and a lower one than before is told to whoever asks.
func TestShrinkingCountsAreOdd(t *testing.T) {
	t.Parallel()
	w := openai.Dialect{}.Watch(nil)
	for i, event := range []string{
		`{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":5}}`, `{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20}}`,
		`{"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":20}}`, `{"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":30}}`,
	} {
		if _, err := w.Event([]byte(event)); err != nil {
			t.Fatal(err)
		}
		if w.OddUsage() != (i >= 2) {
			t.Errorf("after event %d odd is %t", i, w.OddUsage())
		}
	}
	if u, ok := w.Usage(); !ok || u != (llm.Usage{Input: 90, Output: 30}) {
		t.Errorf("%+v, %t", u, ok)
	}
}
