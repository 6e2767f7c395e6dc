package openai_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect/openai"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestScanRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       openai.Request
	}{
		{"least", `{"model":"gpt-4o"}`, openai.Request{Model: "gpt-4o", N: 1}},
		{"escaped key and value", `{"mo\u0064el":"gpt\u002d4o\n"}`, openai.Request{Model: "gpt-4o\n", N: 1}},
		{"another case is another key", `{"Model":"x","model":"gpt-4o","Stream":true}`, openai.Request{Model: "gpt-4o", N: 1}},
		{"nested keys are other keys", `{"metadata":{"model":"x","stream":true},"model":"m"}`, openai.Request{Model: "m", N: 1}},
		{"stream", `{"stream":true,"stream_options":{"include_usage":true},"model":"m"}`, openai.Request{Model: "m", N: 1, Stream: true, IncludeUsage: true}},
		{"nulls", `{"model":"m","stream":null,"stream_options":null,"max_tokens":null,"n":null,"user":null,"tools":null}`, openai.Request{Model: "m", N: 1}},
		{"numbers", `{"model":"m","max_tokens":100,"n":3}`, openai.Request{Model: "m", MaxTokens: 100, N: 3}},
		{"larger limit wins", `{"model":"m","max_completion_tokens":7,"max_tokens":100}`, openai.Request{Model: "m", MaxTokens: 100, N: 1}},
		{"whole number as a float", `{"model":"m","max_tokens":1e2}`, openai.Request{Model: "m", MaxTokens: 100, N: 1}},
		{"user", `{"model":"m","user":"u-1"}`, openai.Request{Model: "m", N: 1, User: "u-1"}},
		{"texts", `{"model":"m","messages":[{"role":"user","content":"ab\n\u00e9"},{"role":"user","content":[{"type":"text","text":"cde"},{"type":"image_url","image_url":{"url":"data:xxxxxxxxx"}},{"type":"input_audio"},{"type":"file"}]}]}`,
			openai.Request{Model: "m", N: 1, TextBytes: 8, HasImages: true, HasAudio: true, HasFiles: true, Images: 1, Messages: 2}},
		{"tools", `{"model":"m","tools":[{"a":1}, {}]}`, openai.Request{Model: "m", N: 1, HasTools: true, TextBytes: 9}},
		{"no tools", `{"model":"m","tools":[]}`, openai.Request{Model: "m", N: 1}},
		{"structured", `{"model":"m","response_format":{"type":"json_schema"}}`, openai.Request{Model: "m", N: 1, StructuredOutput: true}},
		{"plain text", `{"model":"m","response_format":{"type":"text"}}`, openai.Request{Model: "m", N: 1}},
		{"embedding texts", `{"model":"m","input":["ab","cd"]}`, openai.Request{Model: "m", N: 1, TextBytes: 4}},
		{"embedding tokens", `{"model":"m","input":[1,2,3]}`, openai.Request{Model: "m", N: 1, InputTokens: 3}},
		{"embedding token lists", `{"model":"m","input":[[1,2],[3]]}`, openai.Request{Model: "m", N: 1, InputTokens: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := openai.ScanRequest([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(openai.Request{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestScanRequestRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, param, code string }{
		{"nothing", ``, "", ""},
		{"no JSON", `{"model":"m",}`, "", ""},
		{"cut", `{"model":"m"`, "", ""},
		{"two documents", `{"model":"m"}{"model":"n"}`, "", ""},
		{"a list", `[{"model":"m"}]`, "", ""},
		{"null", `null`, "", ""},
		{"too deep", `{"model":"m","x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, "", ""},
		{"no model", `{"stream":true}`, "model", "missing_required_parameter"},
		{"empty model", `{"model":""}`, "model", "missing_required_parameter"},
		{"model of another type", `{"model":7}`, "model", "invalid_type"},
		{"null model", `{"model":null}`, "model", "invalid_type"},
		{"long model", `{"model":"` + strings.Repeat("m", 600) + `"}`, "model", "string_above_max_length"},
		{"model twice", `{"model":"a","stream":true,"model":"b"}`, "model", "duplicate_parameter"},
		{"model twice, escaped", `{"model":"a","mo\u0064el":"a"}`, "model", "duplicate_parameter"},
		{"model twice, null first", `{"model":"a","m\u006Fdel":null}`, "model", "duplicate_parameter"},
		{"stream twice", `{"stream":false,"model":"m","stream":true}`, "stream", "duplicate_parameter"},
		{"stream as a text", `{"model":"m","stream":"true"}`, "stream", "invalid_type"},
		{"options twice", `{"model":"m","stream_options":{},"stream_options":{}}`, "stream_options", "duplicate_parameter"},
		{"include_usage twice", `{"model":"m","stream_options":{"include_usage":true,"include_usage":false}}`, "stream_options.include_usage", "duplicate_parameter"},
		{"options as a list", `{"model":"m","stream_options":[]}`, "stream_options", "invalid_type"},
		{"limit as a text", `{"model":"m","max_tokens":"5"}`, "max_tokens", "invalid_type"},
		{"limit of half a token", `{"model":"m","max_tokens":0.5}`, "max_tokens", "invalid_type"},
		{"negative limit", `{"model":"m","max_completion_tokens":-1}`, "max_completion_tokens", "integer_below_min_value"},
		{"absurd limit", `{"model":"m","max_tokens":1e300}`, "max_tokens", "invalid_type"},
		{"n of zero", `{"model":"m","n":0}`, "n", "integer_below_min_value"},
		{"user as a number", `{"model":"m","user":1}`, "user", "invalid_type"},
		{"tools as an object", `{"model":"m","tools":{}}`, "tools", "invalid_type"},
		{"a syntax error beats what came before", `{"model":7,`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := openai.ScanRequest([]byte(tt.body))
			var e *openai.RequestError
			if !errors.As(err, &e) {
				t.Fatalf("error %v is no RequestError", err)
			}
			if e.Param != tt.param || e.Code != tt.code || e.Message == "" {
				t.Errorf("param %q, code %q, message %q; want param %q, code %q", e.Param, e.Code, e.Message, tt.param, tt.code)
			}
		})
	}
}

func BenchmarkScanRequest(b *testing.B) {
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("The quick brown fox. ", 7000) + `"}],"model":"gpt-4o","stream":true}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := openai.ScanRequest(body); err != nil {
			b.Fatal(err)
		}
	}
}
