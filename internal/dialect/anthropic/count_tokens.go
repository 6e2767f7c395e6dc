package anthropic

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// DecodeCount reads a caller's request to count the tokens of a prompt: one to generate, but max_tokens is not needed. The
// error is an *llm.RequestError.
func (Dialect) DecodeCount(body []byte) (*llm.Request, error) { return decodeRequest(body, false) }

// EncodeCount writes a request that counts tokens, and tells what of it the dialect cannot take. It has what adds to the
// prompt and nothing else, since the endpoint refuses the rest.
func (Dialect) EncodeCount(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error) {
	if r.Previous != "" {
		return nil, nil, &llm.RequestError{Param: string(llm.FieldPrevious), Message: "the earlier answer is kept by another vendor"}
	}
	w := newRequestWriter(r, t)
	defer w.free()
	w.decide()
	w.prompt()
	if w.thinking != nil {
		w.member("thinking", w.thinking)
	}
	w.outputConfig()
	w.out = append(w.out, '}')
	body, err := w.body()
	return body, w.drops.Fields(), err
}

// DecodeCountResponse reads an upstream's answer to that. The error wraps dialect.ErrMalformed.
func (Dialect) DecodeCountResponse(body []byte) (int64, error) {
	var w struct {
		InputTokens *int64 `json:"input_tokens"`
	}
	if err := json.Unmarshal(body, &w, lenient); err != nil {
		return 0, malformed(err)
	}
	if w.InputTokens == nil || *w.InputTokens < 0 || *w.InputTokens > llm.MaxTokens {
		return 0, fmt.Errorf("%w: no count of tokens that can be", dialect.ErrMalformed)
	}
	return *w.InputTokens, nil
}

// EncodeCountResponse writes the answer for a caller.
func (Dialect) EncodeCountResponse(n int64) []byte {
	return append(appendCount([]byte{'{'}, "input_tokens", n), '}')
}
