package gemini_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestWatchEvents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data string
		want       dialect.Chunk
		text       string
	}{
		{"text", `{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b","thought":true}]}}]}`, dialect.Chunk{Content: true}, "ab"},
		{"empty text", `{"candidates":[{"content":{"parts":[{"text":""}]}}]}`, dialect.Chunk{}, ""},
		{"call", `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a" : [1]}}}]}}]}`, dialect.Chunk{Content: true}, `f{"a" : [1]}`},
		{"call without arguments", `{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}`, dialect.Chunk{Content: true}, ""},
		{"picture", `{"candidates":[{"content":{"parts":[{"inlineData":{"data":"AAAA"}}]}}]}`, dialect.Chunk{Content: true}, ""},
		{"code", `{"candidates":[{"content":{"parts":[{"executableCode":{"code":"1+1"}},{"codeExecutionResult":{"output":"2"}}]}}]}`, dialect.Chunk{Content: true}, "1+1"},
		{"finish", `{"candidates":[{"finishReason":"STOP"}]}`, dialect.Chunk{Finish: true}, ""},
		{"finish as a number", `{"candidates":[{"finishReason":1}]}`, dialect.Chunk{Finish: true}, ""},
		{"unspecified", `{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"},{"finishReason":0},{"finishReason":null}]}`, dialect.Chunk{}, ""},
		{"blocked", `{"promptFeedback":{"blockReason":"SAFETY"}}`, dialect.Chunk{Finish: true}, ""},
		{"usage", `{"usageMetadata":{"promptTokenCount":1}}`, dialect.Chunk{Usage: true}, ""},
		{"error", `{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}`,
			dialect.Chunk{Error: &llm.Error{Status: 503, Class: llm.Overloaded, Type: "UNAVAILABLE", Message: "busy", Origin: llm.Gemini}}, ""},
		{"error in a list", `[{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}]`,
			dialect.Chunk{Error: &llm.Error{Status: 429, Class: llm.RateLimited, Type: "RESOURCE_EXHAUSTED", Message: "slow", Origin: llm.Gemini}}, ""},
		{"a relay's end", ` [DONE]`, dialect.Chunk{Done: true}, ""},
	}
	for _, tt := range tests {
		var text []byte
		w := gemini.Dialect{}.Watch(func(p []byte) { text = append(text, p...) })
		got, err := w.Event([]byte(tt.data))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || string(text) != tt.text {
			t.Errorf("%s: text %q, (-want +got):\n%s", tt.name, text, diff)
		}
	}
	for _, bad := range []string{``, `7`, `"x"`, `{"candidates":`, `{}{}`, `<html>`} {
		if _, err := (gemini.Dialect{}).Watch(nil).Event([]byte(bad)); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		events  []string
		want    llm.Usage
		ok, odd bool
	}{
		{"none", nil, llm.Usage{}, false, false},
		{"nothing in it", []string{`{}`}, llm.Usage{}, false, false},
		{"cached, tools and thoughts", []string{`{"promptTokenCount":100,"cachedContentTokenCount":40,"toolUsePromptTokenCount":7,"candidatesTokenCount":20,"thoughtsTokenCount":5,"totalTokenCount":132}`},
			llm.Usage{Input: 67, CachedInput: 40, Output: 25, Reasoning: 5}, true, false},
		{"thoughts within", []string{`{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":5,"totalTokenCount":30}`},
			llm.Usage{Input: 10, Output: 20, Reasoning: 5}, true, false},
		{"output from the total", []string{`{"promptTokenCount":10,"totalTokenCount":30}`}, llm.Usage{Input: 10, Output: 20}, true, false},
		{"the latest counts", []string{`{"promptTokenCount":10,"candidatesTokenCount":2}`, `{"promptTokenCount":12,"candidatesTokenCount":4}`, `{}`},
			llm.Usage{Input: 12, Output: 4}, true, false},
		{"details", []string{`{"promptTokenCount":100,"cachedContentTokenCount":30,"candidatesTokenCount":50,
			"promptTokensDetails":[{"modality":"AUDIO","tokenCount":40},{"tokenCount":20,"modality":"IMAGE"},{"modality":"TEXT","tokenCount":40}],
			"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":30}],"toolUsePromptTokensDetails":[{"modality":2,"tokenCount":1}],
			"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":8},{"modality":"IMAGE","tokenCount":9},{"modality":"VIDEO","tokenCount":1}]}`},
			llm.Usage{Input: 70, CachedInput: 30, Output: 50, AudioInput: 10, ImageInput: 21, AudioOutput: 8, ImageOutput: 9}, true, false},
		{"more cached than there was", []string{`{"promptTokenCount":10,"cachedContentTokenCount":40,"candidatesTokenCount":1}`},
			llm.Usage{CachedInput: 10, Output: 1}, true, true},
		{"negative", []string{`{"promptTokenCount":-1}`}, llm.Usage{}, false, true},
		{"absurd", []string{`{"promptTokenCount":1e30}`}, llm.Usage{}, false, true},
		{"not a number", []string{`{"promptTokenCount":"many"}`}, llm.Usage{}, false, true},
		{"broken does not undo", []string{`{"promptTokenCount":3}`, `{"promptTokenCount":-3}`}, llm.Usage{Input: 3}, true, false},
	}
	for _, tt := range tests {
		w := gemini.Dialect{}.Watch(nil)
		for _, e := range tt.events {
			if c, err := w.Event([]byte(`{"usageMetadata":` + e + `}`)); err != nil || !c.Usage {
				t.Errorf("%s: %+v, %v", tt.name, c, err)
			}
		}
		got, ok := w.Usage()
		if got != tt.want || ok != tt.ok || w.OddUsage() != tt.odd {
			t.Errorf("%s: %+v, %v, odd %v; want %+v", tt.name, got, ok, w.OddUsage(), tt.want)
		}
	}
}

func TestDecodeError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		want   llm.Error
	}{
		{"plain", 400, `{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}`,
			llm.Error{Class: llm.InvalidRequest, Type: "INVALID_ARGUMENT", Message: "bad"}},
		{"details", 429, `{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":[
			{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"x"}]},
			{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"38.5s"}]}}`,
			llm.Error{Class: llm.RateLimited, Type: "RESOURCE_EXHAUSTED", Message: "slow down", RetryAfter: 38500 * time.Millisecond}},
		{"bad key", 400, `{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}`,
			llm.Error{Class: llm.Unauthorized, Type: "INVALID_ARGUMENT", Code: "API_KEY_INVALID", Message: "API key not valid."}},
		{"field", 400, `{"error":{"message":"no","status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"field":"contents[0].role","description":"d"}]}]}}`,
			llm.Error{Class: llm.InvalidRequest, Type: "INVALID_ARGUMENT", Param: "contents[0].role", Message: "no"}},
		{"too long", 400, `{"error":{"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}`,
			llm.Error{Class: llm.TooLarge, Type: "INVALID_ARGUMENT", Message: "The input token count (9) exceeds the maximum number of tokens allowed (8)."}},
		{"in a list", 503, `[{"error":{"message":"busy","status":"UNAVAILABLE"}}]`, llm.Error{Class: llm.Overloaded, Type: "UNAVAILABLE", Message: "busy"}},
		{"OAuth", 401, `{"error":"invalid_grant","error_description":"Bad"}`, llm.Error{Class: llm.Unauthorized, Message: "Bad"}},
		{"cut", 500, `{"error":{"message":"Internal e`, llm.Error{Class: llm.ServerError, Message: "Internal e"}},
		{"HTML", 502, `<html>`, llm.Error{Class: llm.ServerError}},
		{"absurd delay", 429, `{"error":{"details":[{"retryDelay":"99999h"}]}}`, llm.Error{Class: llm.RateLimited}},
	}
	for _, tt := range tests {
		tt.want.Status, tt.want.Origin = tt.status, llm.Gemini
		if diff := cmp.Diff(&tt.want, gemini.Dialect{}.DecodeError(tt.status, []byte(tt.body))); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestEncodeError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   llm.Error
		want string
	}{
		{llm.Error{Status: 401, Message: "no"}, `{"error":{"code":401,"message":"no","status":"UNAUTHENTICATED"}}`},
		{llm.Error{Class: llm.Overloaded, Code: "no_upstream", Message: "none"},
			`{"error":{"code":503,"message":"none","status":"UNAVAILABLE","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"no_upstream","domain":"aihigress"}]}}`},
		{llm.Error{Status: 400, Type: "FAILED_PRECONDITION", Origin: llm.Gemini, Param: "a\"b", Message: "m"},
			`{"error":{"code":400,"message":"m","status":"FAILED_PRECONDITION","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"a\"b","description":"m"}]}]}}`},
		{llm.Error{Status: 429, Type: "rate_limit_error", Code: "x", Origin: llm.Anthropic, RetryAfter: 1500 * time.Millisecond},
			`{"error":{"code":429,"message":"","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"x","domain":"anthropic"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}`},
		{llm.Error{Class: llm.TooLarge}, `{"error":{"code":413,"message":"","status":"INVALID_ARGUMENT"}}`},
		{llm.Error{Class: llm.OutOfQuota}, `{"error":{"code":429,"message":"","status":"RESOURCE_EXHAUSTED"}}`},
	}
	for _, tt := range tests {
		got := gemini.Dialect{}.EncodeError(&tt.in)
		if string(got) != tt.want || !json.Valid(got) {
			t.Errorf("%+v:\n%s, want\n%s", tt.in, got, tt.want)
		}
		if event := string(gemini.Dialect{}.AppendErrorEvent([]byte("x"), &tt.in)); event != "xdata: "+tt.want+"\n\n" {
			t.Errorf("event %q", event)
		}
		back := gemini.Dialect{}.DecodeError(tt.in.HTTPStatus(), got)
		if back.Message != tt.in.Message || back.Code != tt.in.Code || back.Param != tt.in.Param || back.RetryAfter != tt.in.RetryAfter {
			t.Errorf("came back as %+v", back)
		}
	}
}

func TestBodyThatIsEmpty(t *testing.T) {
	t.Parallel()
	for body, good := range map[string]bool{`[]`: false, ` [ ] `: false, `[{"candidates":[]}]`: true, `{"totalTokens":1}`: true, `[{"usageMetadata":{}},{}]`: true} {
		w := gemini.Dialect{}.Watch(nil)
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if err := w.End(); errors.Is(err, dialect.ErrMalformed) == good {
			t.Errorf("%s: %v", body, err)
		}
	}
}
