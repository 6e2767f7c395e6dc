package llm_test

import (
	"math"
	"testing"

	"aihigress/internal/llm"
)

func TestTotals(t *testing.T) {
	t.Parallel()
	u := llm.Usage{Input: 1, CachedInput: 20, CacheWrite5m: 300, CacheWrite1h: 4000, Output: 50000, Reasoning: 7, AudioInput: 1, AudioOutput: 9}
	if got := u.TotalInput(); got != 4321 {
		t.Errorf("total input %d, want 4321", got)
	}
	if got := u.Total(); got != 54321 {
		t.Errorf("total %d, want 54321: parts must not count twice", got)
	}
	if u.IsZero() || !(llm.Usage{Estimated: true}).IsZero() {
		t.Error("IsZero looks at more or less than the counts")
	}
}

func TestClamp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		in, want llm.Usage
		changed  bool
	}{
		{"sane", llm.Usage{Input: 5, Output: 3, Reasoning: 3}, llm.Usage{Input: 5, Output: 3, Reasoning: 3}, false},
		{"negative", llm.Usage{Input: -5, Output: 3}, llm.Usage{Output: 3}, true},
		{"absurd", llm.Usage{CachedInput: math.MaxInt64}, llm.Usage{CachedInput: llm.MaxTokens}, true},
		{"part above whole", llm.Usage{Input: 1, Output: 2, Reasoning: 3, AudioInput: 4, AudioOutput: 5},
			llm.Usage{Input: 1, Output: 2, Reasoning: 2, AudioInput: 1, AudioOutput: 2}, true},
	}
	for _, tt := range tests {
		got, changed := tt.in.Clamp()
		if got != tt.want || changed != tt.changed {
			t.Errorf("%s: %+v, %v; want %+v, %v", tt.name, got, changed, tt.want, tt.changed)
		}
	}
}
