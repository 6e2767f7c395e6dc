package openai_test

import (
	"encoding/json"
	"strings"
	"testing"

	"aihigress/internal/dialect/openai"
)

func TestErrorBody(t *testing.T) {
	t.Parallel()
	got := string(openai.ErrorBody(429, openai.Error{Message: "Too \"many\"\n", Code: "rate_limit_exceeded"}))
	if want := `{"error":{"message":"Too \"many\"\n","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	event := string(openai.ErrorEvent(502, openai.Error{Message: "x", Type: "upstream_error", Param: "model"}))
	if want := `data: {"error":{"message":"x","type":"upstream_error","param":"model","code":null}}` + "\n\n"; event != want {
		t.Errorf("got  %q\nwant %q", event, want)
	}
	for status, want := range map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
		404: "invalid_request_error", 413: "invalid_request_error", 500: "server_error", 503: "server_error"} {
		if got := openai.TypeOf(status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}

func TestParseError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       openai.Error
		ok         bool
	}{
		{"OpenAI", `{"error":{"message":"m","type":"t","param":"p","code":"c"}}`, openai.Error{Message: "m", Type: "t", Param: "p", Code: "c"}, true},
		{"nulls", `{"error":{"message":"m","type":"t","param":null,"code":null}}`, openai.Error{Message: "m", Type: "t"}, true},
		{"code as a number", `{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"x"}},"user_id":"u"}`, openai.Error{Message: "Provider returned error", Code: "429"}, true},
		{"text", `{"error":"model not found"}`, openai.Error{Message: "model not found"}, true},
		{"at the top", `{"object":"error","message":"m","type":"t","param":null,"code":3000}`, openai.Error{Message: "m", Type: "t", Code: "3000"}, true},
		{"detail", `{"detail":"Invalid API Key"}`, openai.Error{Message: "Invalid API Key"}, true},
		{"list of details", `{"detail":[{"loc":["body"],"msg":"first"},{"msg":"second"}]}`, openai.Error{Message: "first"}, true},
		{"Gemini's list", `[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]`, openai.Error{Message: "API key not valid.", Type: "INVALID_ARGUMENT", Code: "400"}, true},
		{"cut", `{"error":{"message":"m","ty`, openai.Error{Message: "m"}, true},
		{"empty object", `{"error":{}}`, openai.Error{}, true},
		{"no error", `{"error":null,"id":1}`, openai.Error{}, false},
		{"HTML", `<html><head><title>502 Bad Gateway</title></head></html>`, openai.Error{}, false},
		{"nothing", ``, openai.Error{}, false},
	}
	for _, tt := range tests {
		if got, ok := openai.ParseError([]byte(tt.body)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %v; want %+v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	long, ok := openai.ParseError([]byte(`{"error":{"message":"` + strings.Repeat("é", 100_000) + `"}}`))
	if !ok || len(long.Message) > 4096 || !json.Valid(openai.ErrorBody(500, long)) {
		t.Errorf("a long message is kept with %d bytes", len(long.Message))
	}
}
