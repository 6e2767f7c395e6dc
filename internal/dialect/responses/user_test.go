package responses_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
)

// TestLongUser: OpenAI takes 64 letters, and Claude Code sends three times as many.
func TestLongUser(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("u", llm.MaxUser+1)
	for caller, want := range map[string]string{llm.Anthropic: llm.ShortUser(long), llm.Responses: long} {
		r := &llm.Request{Dialect: caller, User: long, SafetyID: long, Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "hi"}}}}}
		body, _, err := responses.Dialect{}.EncodeRequest(r, dialect.Target{Model: "m"})
		if err != nil || !strings.Contains(string(body), `"user":"`+want+`","safety_identifier":"`+want+`"`) {
			t.Errorf("for a caller of %s: %v %s", caller, err, body)
		}
	}
}
