package responses

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// countFields are what POST /v1/responses/input_tokens takes of a request.
var countFields = map[string]bool{
	"model": true, "input": true, "instructions": true, "previous_response_id": true, "conversation": true, "tools": true, "tool_choice": true,
	"parallel_tool_calls": true, "text": true, "reasoning": true, "truncation": true,
}

// EncodeCount writes the body of POST /v1/responses/input_tokens, which asks how many tokens a request's input has, and
// tells what of it the dialect cannot take.
func EncodeCount(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error) {
	body, dropped, err := Dialect{}.EncodeRequest(r, t)
	if err != nil {
		return nil, nil, err
	}
	var fields map[string]jsontext.Value
	if err := json.Unmarshal(body, &fields, upstreams); err != nil {
		return nil, nil, fmt.Errorf("encode count: %w", err)
	}
	for name := range fields {
		if !countFields[name] {
			delete(fields, name)
		}
	}
	return marshal(fields), dropped, nil
}

// DecodeCountResponse reads how many tokens there are. The error wraps dialect.ErrMalformed, or is an *llm.Error where the
// answer is one.
func DecodeCountResponse(body []byte) (int64, error) {
	var c struct {
		Tokens *int64         `json:"input_tokens"`
		Error  jsontext.Value `json:"error"`
	}
	switch err := json.Unmarshal(body, &c, upstreams); {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	case !isNull(c.Error):
		return 0, Dialect{}.DecodeError(0, body)
	case c.Tokens == nil || *c.Tokens < 0 || *c.Tokens > llm.MaxTokens:
		return 0, fmt.Errorf("%w: no count", dialect.ErrMalformed)
	}
	return *c.Tokens, nil
}
