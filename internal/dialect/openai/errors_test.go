package openai_test

import (
	"encoding/json"
	"strings"
	"testing"

	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
)

func TestEncodeError(t *testing.T) {
	t.Parallel()
	got := string(openai.Dialect{}.EncodeError(&llm.Error{Status: 429, Message: "Too \"many\"\n", Code: "rate_limit_exceeded"}))
	if want := `{"error":{"message":"Too \"many\"\n","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	event := string(openai.Dialect{}.AppendErrorEvent([]byte("x"), &llm.Error{Status: 502, Message: "x", Type: "upstream_error", Param: "model"}))
	if want := `xdata: {"error":{"message":"x","type":"upstream_error","param":"model","code":null}}` + "\n\n"; event != want {
		t.Errorf("got  %q\nwant %q", event, want)
	}
	for status, want := range map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 402: "insufficient_quota",
		404: "invalid_request_error", 408: "invalid_request_error", 413: "invalid_request_error", 500: "server_error", 503: "server_error", 504: "server_error"} {
		var got struct{ Error struct{ Type string } }
		if err := json.Unmarshal(openai.Dialect{}.EncodeError(&llm.Error{Status: status}), &got); err != nil || got.Error.Type != want {
			t.Errorf("%d: %q, %v, want %q", status, got.Error.Type, err, want)
		}
	}
}

// The words of other vendors become OpenAI's.
func TestEncodeErrorOfAnotherVendor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in         llm.Error
		kind, code string
	}{
		{llm.Error{Status: 529, Type: "overloaded_error", Origin: llm.Anthropic}, "server_error", "overloaded_error"},
		{llm.Error{Status: 429, Type: "rate_limit_error", Origin: llm.Anthropic}, "rate_limit_error", "rate_limit_exceeded"},
		{llm.Error{Status: 429, Class: llm.OutOfQuota, Type: "RESOURCE_EXHAUSTED", Origin: llm.Gemini}, "insufficient_quota", "insufficient_quota"},
		{llm.Error{Status: 400, Class: llm.TooLarge, Type: "invalid_request_error", Origin: llm.Anthropic}, "invalid_request_error", "context_length_exceeded"},
		{llm.Error{Status: 413, Type: "request_too_large", Origin: llm.Anthropic}, "invalid_request_error", "request_too_large"},
		{llm.Error{Status: 401, Type: "UNAUTHENTICATED", Origin: llm.Gemini}, "authentication_error", "invalid_api_key"},
		{llm.Error{Status: 400, Type: "invalid_request_error", Code: "unknown_parameter", Origin: llm.Responses}, "invalid_request_error", "unknown_parameter"},
		{llm.Error{Status: 502, Type: "upstream_error"}, "upstream_error", ""},
	} {
		var got struct{ Error struct{ Type, Code string } }
		if err := json.Unmarshal(openai.Dialect{}.EncodeError(&tt.in), &got); err != nil || got.Error.Type != tt.kind || got.Error.Code != tt.code {
			t.Errorf("%+v became %+v, %v", tt.in, got.Error, err)
		}
	}
}

func TestClassOfAnError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
		want   llm.Class
	}{
		{429, `{"error":{"type":"insufficient_quota","message":"x"}}`, llm.OutOfQuota},
		{400, `{"error":{"code":"context_length_exceeded","message":"x"}}`, llm.TooLarge},
		{400, `{"error":{"message":"This model's maximum context length is 65536 tokens. However, you requested 69648.","type":"invalid_request_error","code":"invalid_request_error"}}`, llm.TooLarge},
		{429, `{"error":{"type":"requests","code":"rate_limit_exceeded","message":"x"}}`, llm.RateLimited},
		{404, `{"error":{"type":"invalid_request_error","message":"x"}}`, llm.NotFound},
		{500, ``, llm.ServerError},
		{0, `{"error":{"code":429,"message":"x"}}`, llm.RateLimited},
		{0, `{"error":{"type":"overloaded_error","message":"x"}}`, llm.Overloaded},
		{0, `{"error":{"type":"server_error","message":"x"}}`, llm.ServerError},
		{0, `{"error":{"code":"invalid_api_key","message":"x"}}`, llm.Unauthorized},
		{0, `{"error":{"type":"invalid_request_error","message":"x"}}`, llm.InvalidRequest},
		{0, `{"error":{"message":"x"}}`, llm.Unclassified},
	} {
		if got := (openai.Dialect{}).DecodeError(tt.status, []byte(tt.body)).Kind(); got != tt.want {
			t.Errorf("%d %s: class %d, want %d", tt.status, tt.body, got, tt.want)
		}
	}
}

func TestDecodeError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       llm.Error
	}{
		{"OpenAI", `{"error":{"message":"m","type":"t","param":"p","code":"c"}}`, llm.Error{Message: "m", Type: "t", Param: "p", Code: "c"}},
		{"nulls", `{"error":{"message":"m","type":"t","param":null,"code":null}}`, llm.Error{Message: "m", Type: "t"}},
		{"code as a number", `{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"x"}},"user_id":"u"}`, llm.Error{Message: "Provider returned error", Code: "429"}},
		{"text", `{"error":"model not found"}`, llm.Error{Message: "model not found"}},
		{"at the top", `{"object":"error","message":"m","type":"t","param":null,"code":3000}`, llm.Error{Message: "m", Type: "t", Code: "3000"}},
		{"detail", `{"detail":"Invalid API Key"}`, llm.Error{Message: "Invalid API Key"}},
		{"list of details", `{"detail":[{"loc":["body"],"msg":"first"},{"msg":"second"}]}`, llm.Error{Message: "first"}},
		{"Gemini's list", `[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]`, llm.Error{Message: "API key not valid.", Type: "INVALID_ARGUMENT", Code: "400"}},
		{"cut", `{"error":{"message":"m","ty`, llm.Error{Message: "m"}},
		{"empty object", `{"error":{}}`, llm.Error{}},
		{"no error", `{"error":null,"id":1}`, llm.Error{}},
		{"HTML", `<html><head><title>502 Bad Gateway</title></head></html>`, llm.Error{}},
		{"nothing", ``, llm.Error{}},
	}
	for _, tt := range tests {
		tt.want.Status, tt.want.Origin = 418, llm.OpenAI
		if got := (openai.Dialect{}).DecodeError(418, []byte(tt.body)); *got != tt.want {
			t.Errorf("%s: %+v; want %+v", tt.name, *got, tt.want)
		}
	}
	long := openai.Dialect{}.DecodeError(500, []byte(`{"error":{"message":"`+strings.Repeat("é", 100_000)+`"}}`))
	if len(long.Message) > 4096 || !json.Valid(openai.Dialect{}.EncodeError(long)) {
		t.Errorf("a long message is kept with %d bytes", len(long.Message))
	}
}
