package openai_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestScan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       dialect.Facts
	}{
		{"least", `{"model":"gpt-4o"}`, dialect.Facts{Model: "gpt-4o", N: 1}},
		{"escaped key and value", `{"mo\u0064el":"gpt\u002d4o\n"}`, dialect.Facts{Model: "gpt-4o\n", N: 1}},
		{"another case is another key", `{"Model":"x","model":"gpt-4o","Stream":true}`, dialect.Facts{Model: "gpt-4o", N: 1}},
		{"nested keys are other keys", `{"metadata":{"model":"x","stream":true},"model":"m"}`, dialect.Facts{Model: "m", N: 1}},
		{"stream", `{"stream":true,"stream_options":{"include_usage":true},"model":"m"}`, dialect.Facts{Model: "m", N: 1, Stream: true, IncludeUsage: true}},
		{"nulls", `{"model":"m","stream":null,"stream_options":null,"max_tokens":null,"n":null,"tools":null}`, dialect.Facts{Model: "m", N: 1}},
		{"numbers", `{"model":"m","max_tokens":100,"n":3}`, dialect.Facts{Model: "m", MaxTokens: 100, N: 3}},
		{"larger limit wins", `{"model":"m","max_completion_tokens":7,"max_tokens":100}`, dialect.Facts{Model: "m", MaxTokens: 100, N: 1}},
		{"whole number as a float", `{"model":"m","max_tokens":1e2}`, dialect.Facts{Model: "m", MaxTokens: 100, N: 1}},
		{"texts", `{"model":"m","messages":[{"role":"user","content":"ab\n\u00e9"},{"role":"user","content":[{"type":"text","text":"cde"},{"type":"image_url","image_url":{"url":"data:xxxxxxxxx"}},{"type":"input_audio"},{"type":"file"}]}]}`,
			dialect.Facts{Model: "m", N: 1, TextBytes: 8, Images: 1, Media: 2, Messages: 2, Needs: llm.NeedVision | llm.NeedAudio}},
		{"tools", `{"model":"m","tools":[{"a":1}, {}]}`, dialect.Facts{Model: "m", N: 1, Needs: llm.NeedTools, TextBytes: 9}},
		{"no tools", `{"model":"m","tools":[]}`, dialect.Facts{Model: "m", N: 1}},
		{"embedding texts", `{"model":"m","input":["ab","cd"]}`, dialect.Facts{Model: "m", N: 1, TextBytes: 4}},
		{"embedding tokens", `{"model":"m","input":[1,2,3]}`, dialect.Facts{Model: "m", N: 1, InputTokens: 3}},
		{"embedding token lists", `{"model":"m","input":[[1,2],[3]]}`, dialect.Facts{Model: "m", N: 1, InputTokens: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := openai.ScanAny([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got.Facts()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
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
		{"tools as an object", `{"model":"m","tools":{}}`, "tools", "invalid_type"},
		{"messages as a text", `{"model":"m","messages":"hi"}`, "messages", "invalid_type"},
		{"messages twice", `{"model":"m","messages":[{}],"messages":[{}]}`, "messages", "duplicate_parameter"},
		{"a syntax error beats what came before", `{"model":7,`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := openai.ScanAny([]byte(tt.body))
			var e *llm.RequestError
			if !errors.As(err, &e) {
				t.Fatalf("error %v is no llm.RequestError", err)
			}
			if e.Param != tt.param || e.Code != tt.code || e.Message == "" {
				t.Errorf("param %q, code %q, message %q; want param %q, code %q", e.Param, e.Code, e.Message, tt.param, tt.code)
			}
		})
	}
}

// Chat alone needs messages: the other endpoints have none.
func TestChatNeedsMessages(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]string{
		`{"model":"m"}`:                 "missing_required_parameter",
		`{"model":"m","messages":null}`: "missing_required_parameter",
		`{"model":"m","messages":[]}`:   "empty_array",
	} {
		var e *llm.RequestError
		if _, err := (openai.Dialect{}).Scan([]byte(body), dialect.At{}); !errors.As(err, &e) || e.Param != "messages" || e.Code != code {
			t.Errorf("%s: %v", body, err)
		}
		if _, err := openai.ScanAny([]byte(body)); err != nil {
			t.Errorf("%s at another endpoint: %v", body, err)
		}
	}
	s, err := openai.Dialect{}.Scan([]byte(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`), dialect.At{})
	if err != nil || s.Facts().Messages != 1 {
		t.Errorf("one message: %+v, %v", s, err)
	}
}

func BenchmarkScan(b *testing.B) {
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("The quick brown fox. ", 7000) + `"}],"model":"gpt-4o","stream":true}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := openai.ScanAny(body); err != nil {
			b.Fatal(err)
		}
	}
}
