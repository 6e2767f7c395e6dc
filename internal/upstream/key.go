package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/provider"
)

// failures read what vendors say of a failure.
var failures = map[string]dialect.Dialect{
	llm.OpenAI: openai.Dialect{}, llm.Responses: responses.Dialect{}, llm.Anthropic: anthropic.Dialect{}, llm.Gemini: gemini.Dialect{},
}

// CheckKey asks a model for one token to see what the vendor says to the key, or for the list of models where there is no
// model, or where the answer may be about something else than the key.
func (c *Client) CheckKey(ctx context.Context, t provider.Target, model string) (provider.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if model != "" {
		status, said, err := c.ask(ctx, t, model, "max_tokens")
		if errors.Is(err, errRefusedAccount) {
			return provider.KeyRefused, nil
		}
		if err != nil {
			return provider.KeyUnknown, err
		}
		if verdict, sure := judge(t.Dialect, status, said); sure {
			return verdict, nil
		}
	}
	_, err := c.ListModels(ctx, t)
	failure, ok := fault.As(err)
	status := 0
	switch {
	case err == nil:
		return provider.KeyWorks, nil
	case errors.Is(err, errRefusedAccount):
		return provider.KeyRefused, nil
	case !ok:
		return provider.KeyUnknown, err
	}
	if n, _ := fmt.Sscanf(failure.Code, "http_%d", &status); n != 1 {
		return provider.KeyUnknown, err
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return provider.KeyRefused, nil
	case status == http.StatusPaymentRequired:
		return provider.KeyExhausted, nil
	case status < http.StatusInternalServerError && model != "":
		return provider.KeyWorks, nil // it has no list: what was said before was not about the key
	}
	return provider.KeyUnknown, err
}

// judge is what an answer says of the key; not sure is what may be about the model or the request.
func judge(dialectName string, status int, said []byte) (verdict provider.Verdict, sure bool) {
	if status < http.StatusBadRequest {
		return provider.KeyWorks, status >= 200 && status <= 299
	}
	e := failures[dialectName].DecodeError(status, said)
	switch {
	case status == http.StatusPaymentRequired, e.AboutQuota():
		return provider.KeyExhausted, true
	case status == http.StatusUnauthorized, e.AboutKey():
		return provider.KeyRefused, true
	case status == http.StatusTooManyRequests:
		return provider.KeyWorks, true // it is asked too often, and so it is known
	case status >= http.StatusInternalServerError:
		return provider.KeyUnknown, true
	}
	return provider.KeyUnknown, false
}
