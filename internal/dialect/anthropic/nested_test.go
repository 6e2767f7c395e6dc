package anthropic

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// TestNestedBlocks: blocks within blocks, as deep as the reader goes, take no multiple of what came in.
func TestNestedBlocks(t *testing.T) { //nolint:paralleltest // memory is measured
	const depth, size = 90, 1 << 20
	block := strings.Repeat(`{"type":"x","content":[`, depth) + `{"type":"text","text":"` + strings.Repeat("a", size) + `"}` + strings.Repeat(`]}`, depth)
	request := fmt.Sprintf(`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[%s]}]}`, block)
	answer := fmt.Sprintf(`{"id":"i","type":"message","role":"assistant","model":"m","content":[%s],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`, block)
	for name, read := range map[string]func() error{
		"request": func() error { _, err := Dialect{}.DecodeRequest([]byte(request), dialect.At{}); return err },
		"answer":  func() error { _, err := Dialect{}.DecodeResponse([]byte(answer)); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := read(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 20*size {
			t.Errorf("%s: %d MiB were taken for %d", name, took>>20, size>>20)
		}
	}
}

// TestNestedResults: the API has no results within results, of which each would be read once more for all those around it.
func TestNestedResults(t *testing.T) { //nolint:paralleltest // memory is measured
	const size = 1 << 20
	for _, depth := range []int{2, 90, 450} { // the reader of most requests goes about as deep as the second
		request := `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[` + strings.Repeat(`{"type":"tool_result","tool_use_id":"i","content":[`, depth) +
			`{"type":"text","text":"` + strings.Repeat("a", size) + `"}` + strings.Repeat(`]}`, depth) + `]}]}`
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Dialect{}.DecodeRequest([]byte(request), dialect.At{})
		runtime.ReadMemStats(&after)
		if refused, ok := errors.AsType[*llm.RequestError](err); !ok || refused.Param != "messages.0.content.0.content.0.type" {
			t.Errorf("%d levels: got %v, want what is within a result to be refused", depth, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 20*size {
			t.Errorf("%d levels: %d MiB were taken for %d", depth, took>>20, size>>20)
		}
	}
}
