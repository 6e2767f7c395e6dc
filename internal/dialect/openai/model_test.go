package openai_test

import (
	"testing"

	"aihigress/internal/dialect/openai"
)

// A model is asked to think in the nearest word that it takes; one that is not known, in the caller's.
func TestEffort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ model, word, want string }{
		{"gpt-5.1", "minimal", "low"},
		{"gpt-5", "none", "minimal"},
		{"o3", "none", ""},
		{"openai/gpt-5.6", "max", "max"},
		{"gpt-4o", "low", ""},
		{"gpt-5-chat-latest", "low", ""},
		{"chatgpt-4o-latest", "low", ""},
		{"deepseek-chat", "low", "low"},
		{"our-own", "max", "max"},
	} {
		if got := openai.Effort(tt.model, tt.word); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.model, tt.word, got, tt.want)
		}
	}
}
