package anthropic_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		body string
		want llm.Error
	}{
		{`{"type":"error","error":{"type":"rate_limit_error","message":"slow"},"request_id":"r"}`, llm.Error{Status: 429, Class: llm.RateLimited, Type: "rate_limit_error", Message: "slow", RequestID: "r"}},
		{`[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"quota"}}]`, llm.Error{Status: 429, Type: "RESOURCE_EXHAUSTED", Code: "429", Message: "quota"}},
		{`{"error":"no"}`, llm.Error{Status: 429, Message: "no"}},
		{`{"message":"gone","type":"x"}`, llm.Error{Status: 429, Message: "gone"}},
		{`<html>`, llm.Error{Status: 429}},
		{``, llm.Error{Status: 429}},
		{`{"error":{"message":"cut`, llm.Error{Status: 429, Message: "cut"}},
	}
	for _, tt := range tests {
		tt.want.Origin = llm.Anthropic
		if diff := cmp.Diff(&tt.want, anthropic.Dialect{}.DecodeError(429, []byte(tt.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
	}
}

func TestEncodeError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		e    llm.Error
		want string
	}{
		{llm.Error{Status: 529, Type: "overloaded_error", Origin: llm.Anthropic, Message: "Overloaded", RequestID: "req_1"}, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}`},
		{llm.Error{Status: 400, Type: "invalid_request_error", Message: "a \"b\""}, `{"type":"error","error":{"type":"invalid_request_error","message":"a \"b\""}}`},
		{llm.Error{Status: 401}, `{"type":"error","error":{"type":"authentication_error","message":""}}`},
		{llm.Error{Status: 403}, `{"type":"error","error":{"type":"permission_error","message":""}}`},
		{llm.Error{Status: 404}, `{"type":"error","error":{"type":"not_found_error","message":""}}`},
		{llm.Error{Status: 413}, `{"type":"error","error":{"type":"request_too_large","message":""}}`},
		{llm.Error{Status: 429}, `{"type":"error","error":{"type":"rate_limit_error","message":""}}`},
		{llm.Error{Status: 429, Class: llm.OutOfQuota}, `{"type":"error","error":{"type":"billing_error","message":""}}`},
		{llm.Error{Status: 503}, `{"type":"error","error":{"type":"overloaded_error","message":""}}`},
		{llm.Error{Status: 504}, `{"type":"error","error":{"type":"timeout_error","message":""}}`},
		{llm.Error{Status: 502}, `{"type":"error","error":{"type":"api_error","message":""}}`},
		{llm.Error{}, `{"type":"error","error":{"type":"api_error","message":""}}`},
		{llm.Error{Status: 400, Origin: llm.OpenAI, Code: "context_length_exceeded", Message: "This model's maximum context length is 8 tokens."},
			`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: This model's maximum context length is 8 tokens."}}`},
		{llm.Error{Status: 400, Origin: llm.Gemini, Type: "INVALID_ARGUMENT", Message: "The input token count (9) exceeds the maximum number of tokens allowed (8)."},
			`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: The input token count (9) exceeds the maximum number of tokens allowed (8)."}}`},
		{llm.Error{Status: 429, Origin: llm.OpenAI, Message: "Rate limit of the context window"}, `{"type":"error","error":{"type":"rate_limit_error","message":"Rate limit of the context window"}}`},
	}
	for _, tt := range tests {
		body := anthropic.Dialect{}.EncodeError(&tt.e)
		same(t, tt.want, string(body))
		event := string(anthropic.Dialect{}.AppendErrorEvent(nil, &tt.e))
		if !strings.HasPrefix(event, "event: error\ndata: {") || !strings.HasSuffix(event, "}\n\n") || !strings.Contains(event, string(body)) {
			t.Errorf("event %q", event)
		}
	}
}

// TestPromptsThatAreTooLong in Anthropic's words, the second of which is about the answer's limit as well.
func TestPromptsThatAreTooLong(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]llm.Class{
		"prompt is too long: 200001 tokens > 200000 maximum":                                    llm.TooLarge,
		"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease": llm.TooLarge,
		"max_tokens: 99999999 > 64000, which is the maximum allowed":                            llm.InvalidRequest,
	} {
		e := anthropic.Dialect{}.DecodeError(400, []byte(`{"type":"error","error":{"type":"invalid_request_error","message":"`+message+`"}}`))
		if e.Class != want {
			t.Errorf("%s: class %d, want %d", message, e.Class, want)
		}
	}
}
