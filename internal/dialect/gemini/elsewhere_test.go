package gemini_test

import (
	"errors"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"
)

// What another vendor keeps cannot be left out: the model would answer without the conversation.
func TestKeptElsewhere(t *testing.T) {
	t.Parallel()
	hi := []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "and now?"}}}}
	for _, r := range []*llm.Request{{Dialect: llm.Responses, Messages: hi, Previous: "resp_1"}, {Dialect: llm.Responses, Messages: hi, Bound: []string{"conversation"}}} {
		var refused *llm.RequestError
		if _, _, err := (gemini.Dialect{}).EncodeRequest(r, dialect.Target{Model: "m"}); !errors.As(err, &refused) || refused.Param == "" {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
