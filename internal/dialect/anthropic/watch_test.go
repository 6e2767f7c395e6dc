package anthropic_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestWatchEvent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data string
		want       dialect.Chunk
		text       string
	}{
		{"start", `{"type":"message_start","message":{"content":[],"stop_reason":null,"usage":{"input_tokens":5,"output_tokens":1}}}`, dialect.Chunk{Usage: true}, ""},
		{"ping", `{"type": "ping"}`, dialect.Chunk{}, ""},
		{"empty text", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, dialect.Chunk{}, ""},
		{"text", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"H\u00e9"}}`, dialect.Chunk{Content: true}, "Hé"},
		{"thinking", `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`, dialect.Chunk{Content: true}, "hm"},
		{"signature", `{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQ"}}`, dialect.Chunk{Content: true}, ""},
		{"sealed", `{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"xx"}}`, dialect.Chunk{Content: true}, ""},
		{"call", `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`, dialect.Chunk{Content: true}, "f"},
		{"arguments", `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}`, dialect.Chunk{Content: true}, `{"a`},
		{"no arguments yet", `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}`, dialect.Chunk{}, ""},
		{"end", `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}`, dialect.Chunk{Finish: true, Usage: true}, ""},
		{"stop", `{"type":"message_stop"}`, dialect.Chunk{Done: true}, ""},
		{"error", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`,
			dialect.Chunk{Error: &llm.Error{Class: llm.Overloaded, Type: "overloaded_error", Message: "Overloaded", Origin: llm.Anthropic}}, ""},
		{"unknown", `{"type":"new_event","x":{"text":"no"}}`, dialect.Chunk{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			got, err := anthropic.Dialect{}.Watch(func(part []byte) { text.Write(part) }).Event([]byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || text.String() != tt.text {
				t.Errorf("text %q, want %q (-want +got):\n%s", text.String(), tt.text, diff)
			}
		})
	}
	for _, data := range []string{``, `{`, `[]`, `null`, `{"type":"message_stop"}}`} {
		if _, err := (anthropic.Dialect{}).Watch(nil).Event([]byte(data)); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", data, err)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	start := func(u string) string { return `{"type":"message_start","message":{"usage":{` + u + `}}}` }
	delta := func(u string) string {
		return `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{` + u + `}}`
	}
	tests := []struct {
		name   string
		events []string
		want   llm.Usage
		ok     bool
		odd    bool
	}{
		{"both ends", []string{start(`"input_tokens":5,"output_tokens":1`), delta(`"output_tokens":9`)}, llm.Usage{Input: 5, Output: 9}, true, false},
		{"told again", []string{start(`"input_tokens":5,"output_tokens":1`), delta(`"input_tokens":50,"output_tokens":9`)}, llm.Usage{Input: 50, Output: 9}, true, false},
		{"zero at the end", []string{start(`"input_tokens":5,"output_tokens":1`), delta(`"input_tokens":0,"output_tokens":9`)}, llm.Usage{Input: 5, Output: 9}, true, false},
		{"cache", []string{start(`"input_tokens":5,"cache_read_input_tokens":100,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1`)},
			llm.Usage{Input: 5, CachedInput: 100, CacheWrite5m: 10, CacheWrite1h: 20, Output: 1}, true, false},
		{"unparted cache writes", []string{start(`"input_tokens":5,"cache_creation_input_tokens":30,"output_tokens":1`)}, llm.Usage{Input: 5, CacheWrite5m: 30, Output: 1}, true, false},
		{"tools and thinking", []string{delta(`"input_tokens":5,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4},"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1}`)},
			llm.Usage{Input: 5, Output: 9, Reasoning: 4, ToolUses: 3}, true, false},
		{"rounds", []string{start(`"input_tokens":60,"output_tokens":1`), delta(`"input_tokens":6,"output_tokens":9,"iterations":[{"input_tokens":60,"output_tokens":5},{"input_tokens":6,"output_tokens":9}]`), `{"type":"message_stop"}`},
			llm.Usage{Input: 66, Output: 14}, true, false},
		{"output that shrinks", []string{start(`"input_tokens":5,"output_tokens":9`), delta(`"output_tokens":3`)}, llm.Usage{Input: 5, Output: 3}, true, true},
		{"input that moves to the cache", []string{start(`"input_tokens":50,"output_tokens":1`), delta(`"input_tokens":5,"cache_read_input_tokens":45,"output_tokens":3`)}, llm.Usage{Input: 5, CachedInput: 45, Output: 3}, true, false},
		{"a tier", []string{start(`"input_tokens":5,"output_tokens":1,"service_tier":"priority"`), delta(`"output_tokens":3`)}, llm.Usage{Input: 5, Output: 3, Tier: llm.Priority}, true, false},
		{"nulls", []string{start(`"input_tokens":5,"cache_read_input_tokens":null,"output_tokens":1`)}, llm.Usage{Input: 5, Output: 1}, true, false},
		{"nothing", []string{`{"type":"message_start","message":{"usage":{}}}`}, llm.Usage{}, false, false},
		{"negative", []string{start(`"input_tokens":-5,"output_tokens":1`)}, llm.Usage{}, false, true},
		{"absurd", []string{start(`"input_tokens":5e18,"output_tokens":1`)}, llm.Usage{}, false, true},
	}
	for _, tt := range tests {
		w := anthropic.Dialect{}.Watch(nil)
		for _, e := range tt.events {
			if _, err := w.Event([]byte(e)); err != nil {
				t.Fatal(err)
			}
		}
		if got, ok := w.Usage(); got != tt.want || ok != tt.ok || w.OddUsage() != tt.odd {
			t.Errorf("%s: %+v, %v, odd %v; want %+v, %v, odd %v", tt.name, got, ok, w.OddUsage(), tt.want, tt.ok, tt.odd)
		}
	}
}

func TestWatchDoesNotAllocate(t *testing.T) {
	w := anthropic.Dialect{}.Watch(func([]byte) {})
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := w.Event(data); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for an event", n)
	}
}
