package gemini_test

import (
	"testing"

	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"
)

// TestTierAndShrinking: the tier of service is read, and counts that fall are odd.
func TestTierAndShrinking(t *testing.T) {
	t.Parallel()
	w := gemini.Dialect{}.Watch(nil)
	for i, event := range []string{
		`{"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"serviceTier":"standard"}}`,
		`{"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"serviceTier":"flex"}}`,
	} {
		if _, err := w.Event([]byte(event)); err != nil {
			t.Fatal(err)
		}
		if w.OddUsage() != (i == 1) {
			t.Errorf("after event %d odd is %t", i, w.OddUsage())
		}
	}
	if u, ok := w.Usage(); !ok || u != (llm.Usage{Input: 10, Output: 4, Tier: llm.Flex}) {
		t.Errorf("%+v, %t", u, ok)
	}
}
