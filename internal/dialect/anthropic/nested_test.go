package anthropic

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"aihigress/internal/dialect"
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
