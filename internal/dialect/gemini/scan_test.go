package gemini_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestScan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		at         dialect.At
		want       dialect.Facts
	}{
		{"text", `{"contents":[{"role":"user","parts":[{"text":"h\u00e9"}]}]}`, dialect.At{Model: "m"},
			dialect.Facts{Model: "m", N: 1, TextBytes: 3, Messages: 1}},
		{"lone elements", `{"contents":{"parts":{"text":"hi"}},"tools":{"googleSearch":{}}}`, dialect.At{Model: "m", Stream: true},
			dialect.Facts{Model: "m", Stream: true, N: 1, TextBytes: 2 + 19, Messages: 1, Needs: llm.NeedDialect}},
		{"camel", `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"fileData":{"fileUri":"u","mimeType":"audio/mp3"}},
			{"fileData":{"fileUri":"u"}},{"functionCall":{"name":"f","args":{"a":1}}}]},{"parts":[{"functionResponse":{"name":"f","response":{"r":2},
			"parts":[{"inlineData":{"mimeType":"image/png","data":""}}]}}]}],
			"systemInstruction":{"parts":[{"text":"sys"}]},"generationConfig":{"maxOutputTokens":9,"candidateCount":2}}`, dialect.At{Model: "m"},
			dialect.Facts{Model: "m", N: 2, MaxTokens: 9, TextBytes: 1 + 7 + 7 + 3, Messages: 2, Images: 2, Media: 2, Needs: llm.NeedVision | llm.NeedAudio}},
		{"snake", `{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"AAAA"}},{"function_call":{"name":"f","args":{"a":1}}}]}],
			"system_instruction":{"parts":[{"text":"sys"}]},"generation_config":{"max_output_tokens":"9","candidate_count":2.0}}`, dialect.At{Model: "m"},
			dialect.Facts{Model: "m", N: 2, MaxTokens: 9, TextBytes: 1 + 7 + 3, Messages: 1, Images: 1, Needs: llm.NeedVision}},
		{"model in the body", `{"model":"models/gemini-x","contents":[{"parts":[]}]}`, dialect.At{},
			dialect.Facts{Model: "gemini-x", N: 1, Messages: 1}},
		{"count tokens", `{"generateContentRequest":{"model":"models/gemini-x","contents":[{"parts":[{"text":"abc"}]}],"tools":[{"functionDeclarations":[]}]}}`,
			dialect.At{Model: "m"}, dialect.Facts{Model: "m", N: 1, TextBytes: 3 + 27, Messages: 1}},
		{"nulls", `{"contents":[{"parts":null}],"tools":null,"generationConfig":null,"model":null}`, dialect.At{Model: "m"},
			dialect.Facts{Model: "m", N: 1, Messages: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := gemini.Dialect{}.Scan([]byte(tt.body), tt.at)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, s.Facts()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			read := 0
			s.PromptText([]byte(tt.body), func(p []byte) { read += len(p) })
			if int64(read) != tt.want.TextBytes {
				t.Errorf("%d bytes of text passed on, %d counted", read, tt.want.TextBytes)
			}
			checkPatch(t, []byte(tt.body))
		})
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	const good = `"contents":[{"parts":[{"text":"x"}]}]`
	tests := []struct{ name, body, param, message string }{
		{"not JSON", `{"contents":`, "", "Invalid JSON payload"},
		{"a list", `[{` + good + `}]`, "", "expected an object"},
		{"nested", strings.Repeat(`{"contents":`, 2000), "", "levels deep"},
		{"no contents", `{}`, "contents", "contents is not specified"},
		{"empty contents", `{"contents":[]}`, "contents", "contents is not specified"},
		{"null contents", `{"contents":null}`, "contents", "contents is not specified"},
		{"contents is text", `{"contents":"hi"}`, "contents", "expected a list"},
		{"two spellings", `{` + good + `,"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}}`, "generationConfig.maxOutputTokens", "more than once"},
		{"escaped key", `{` + good + `,"c\u006fntents":[]}`, "contents", "more than once"},
		{"max tokens", `{` + good + `,"generationConfig":{"maxOutputTokens":1.5}}`, "generationConfig.maxOutputTokens", "32-bit integer"},
		{"max tokens is text", `{` + good + `,"generationConfig":{"maxOutputTokens":"many"}}`, "generationConfig.maxOutputTokens", "32-bit integer"},
		{"count", `{` + good + `,"generationConfig":{"candidateCount":true}}`, "generationConfig.candidateCount", "expected an integer"},
		{"config", `{` + good + `,"generationConfig":[]}`, "generationConfig", "expected an object"},
		{"tools", `{` + good + `,"tools":7}`, "tools", "expected a list"},
		{"model", `{` + good + `,"model":7}`, "model", "expected a string"},
		{"long model", `{` + good + `,"model":"` + strings.Repeat("m", 600) + `"}`, "model", "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := gemini.Dialect{}.Scan([]byte(tt.body), dialect.At{Model: "m"})
			var refused *llm.RequestError
			if !errors.As(err, &refused) || refused.Param != tt.param || !strings.Contains(refused.Message, tt.message) {
				t.Errorf("%+v, want %q at %q", err, tt.message, tt.param)
			}
		})
	}
	var refused *llm.RequestError
	if _, err := (gemini.Dialect{}).Scan([]byte(`{`+good+`}`), dialect.At{}); !errors.As(err, &refused) || refused.Param != "model" {
		t.Errorf("%v without a model", err)
	}
}

func TestPatchChangesTheModelWhereverItStands(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"nowhere", `{ "contents":[{}] }`, `{ "contents":[{}] }`},
		{"top", `{"model" : "models/a","contents":[{}]}`, `{"model" : "models/b","contents":[{}]}`},
		{"vertex", `{"contents":[{}],"model":"publishers/google/models/a"}`, `{"contents":[{}],"model":"publishers/google/models/b"}`},
		{"bare", `{"contents":[{}],"model":"a"}`, `{"contents":[{}],"model":"b"}`},
		{"same", `{"contents":[{}],"m\u006fdel":"b" }`, `{"contents":[{}],"m\u006fdel":"b" }`},
		{"both", `{"generateContentRequest":{"model":"models/a","contents":[{}]},"model":"models/a"}`,
			`{"generateContentRequest":{"model":"models/b","contents":[{}]},"model":"models/b"}`},
		{"both, top first", `{"model":"models/a","generate_content_request":{"contents":[{}],"model":"models/a"}}`,
			`{"model":"models/b","generate_content_request":{"contents":[{}],"model":"models/b"}}`},
		{"null", `{"model":null,"contents":[{}]}`, `{"model":null,"contents":[{}]}`},
	}
	for _, tt := range tests {
		s, err := gemini.Dialect{}.Scan([]byte(tt.body), dialect.At{Model: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(bytes.Join(s.Patch([]byte(tt.body), dialect.Patch{Model: "b"}), nil)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// checkPatch holds that a patched body is the same but for the model.
func checkPatch(t *testing.T, body []byte) {
	t.Helper()
	s, err := gemini.Dialect{}.Scan(body, dialect.At{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	patched := bytes.Join(s.Patch(body, dialect.Patch{Model: `"new"`}), nil)
	var before, after map[string]any
	if json.Unmarshal(body, &before) != nil || json.Unmarshal(patched, &after) != nil {
		t.Fatalf("%s became %s", body, patched)
	}
	for _, m := range []map[string]any{before, after} {
		delete(m, "model")
		for _, key := range []string{"generateContentRequest", "generate_content_request"} {
			if inner, ok := m[key].(map[string]any); ok {
				delete(inner, "model")
			}
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
}
