package openai

import (
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// TestManyRefusals: refusals become texts where the vendor has no such word, the request stays as it is, and the time that takes
// grows with their number alone.
func TestManyRefusals(t *testing.T) {
	t.Parallel()
	const n = 30_000 // with a copy of all for each, they would take minutes
	m := llm.Message{Role: llm.Assistant}
	for range n {
		m.Blocks = append(m.Blocks, llm.Block{Kind: llm.Refusal, Text: "no"})
	}
	body, _, err := Dialect{}.EncodeRequest(&llm.Request{Messages: []llm.Message{m}}, dialect.Target{Model: "m", Host: "api.deepseek.com"})
	if err != nil || strings.Count(string(body), "no") != n || strings.Contains(string(body), "refusal") {
		t.Errorf("%v, %.200s", err, body)
	}
	for i := range m.Blocks {
		if m.Blocks[i].Kind != llm.Refusal {
			t.Fatalf("block %d of the request is changed", i)
		}
	}
}
