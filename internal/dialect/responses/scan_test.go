package responses_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestScan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       dialect.Facts
	}{
		{"a text", `{"model":"m","input":"h\u00e9"}`, dialect.Facts{Model: "m", N: 1, Stores: true, TextBytes: 3, Messages: 1}},
		{"escaped key", `{"mo\u0064el":"m","input":"x","store":false}`, dialect.Facts{Model: "m", N: 1, TextBytes: 1, Messages: 1}},
		{"nested keys are other keys", `{"model":"m","input":"x","metadata":{"model":"y","store":false},"Stream":true}`,
			dialect.Facts{Model: "m", N: 1, Stores: true, TextBytes: 1, Messages: 1}},
		{"nulls", `{"model":"m","input":"x","store":null,"stream":null,"previous_response_id":null,"max_output_tokens":null,"tools":null,"instructions":null}`,
			dialect.Facts{Model: "m", N: 1, Stores: true, TextBytes: 1, Messages: 1}},
		{"state alone", `{"model":"m","previous_response_id":"resp_1","stream":true}`, dialect.Facts{Model: "m", N: 1, Stores: true, Stream: true, Previous: "resp_1"}},
		{"empty input with a prompt", `{"model":"m","input":[],"prompt":{"id":"p"}}`, dialect.Facts{Model: "m", N: 1, Stores: true, Needs: llm.NeedDialect}},
		{"no input with a conversation", `{"model":"m","conversation":"conv_1"}`, dialect.Facts{Model: "m", N: 1, Stores: true, Needs: llm.NeedDialect}},
		{"items", `{"model":"m","instructions":"abc","max_output_tokens":50,"input":[{"role":"user","content":"de"},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"f"},{"type":"input_image","image_url":"data:xxxx"},{"type":"input_file","file_id":"f"}]},
			{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"gh"}],"encrypted_content":"zzzz"},
			{"type":"function_call","call_id":"c","name":"ij","arguments":"{}"},
			{"type":"function_call_output","call_id":"c","output":"kl"},
			{"type":"function_call_output","call_id":"d","output":[{"type":"input_text","text":"m"},{"type":"input_image","file_id":"f"}]},
			{"type":"custom_tool_call","call_id":"e","name":"n","input":"op"},
			{"type":"computer_call_output","call_id":"g","output":{"type":"computer_screenshot","image_url":"data:xxxx"}}],
			"tools":[{"a":1}, {}]}`,
			dialect.Facts{Model: "m", N: 1, Stores: true, MaxTokens: 50, TextBytes: 3 + 2 + 1 + 2 + 4 + 2 + 1 + 3 + 9, Images: 3, Media: 1, Messages: 8, Needs: llm.NeedVision | llm.NeedTools}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := responses.Dialect{}.Scan([]byte(tt.body), dialect.At{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, s.Facts()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkPatch(t, []byte(tt.body), s)
			var size int64
			s.PromptText([]byte(tt.body), func(part []byte) { size += int64(len(part)) })
			if size != tt.want.TextBytes {
				t.Errorf("PromptText gave %d bytes, Facts %d", size, tt.want.TextBytes)
			}
		})
	}
}

// checkPatch holds that a patch changes the model's name and nothing else.
func checkPatch(t *testing.T, body []byte, s dialect.Scanned) {
	t.Helper()
	if same := s.Patch(body, dialect.Patch{Model: s.Facts().Model}); !bytes.Equal(bytes.Join(same, nil), body) {
		t.Errorf("an idle patch changed %s", body)
	}
	const other = "other \"model\""
	patched := bytes.Join(s.Patch(body, dialect.Patch{Model: other}), nil)
	var got, want map[string]json.RawMessage
	if json.Unmarshal(patched, &got) != nil || json.Unmarshal(body, &want) != nil {
		t.Fatalf("%s is no JSON", patched)
	}
	want["model"] = json.RawMessage(`"other \"model\""`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := responses.Dialect{}.Scan(patched, dialect.At{})
	if err != nil || again.Facts().Model != other {
		t.Errorf("%s: %v", patched, err)
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, param, code string }{
		{"nothing", ``, "", ""},
		{"cut", `{"model":"m","input":"x"`, "", ""},
		{"a list", `[]`, "", ""},
		{"null", `null`, "", ""},
		{"too deep", `{"model":"m","input":"x","x":` + strings.Repeat("[", 100_000), "", ""},
		{"no model", `{"input":"x"}`, "model", "missing_required_parameter"},
		{"null model", `{"input":"x","model":null}`, "model", "invalid_type"},
		{"long model", `{"input":"x","model":"` + strings.Repeat("m", 600) + `"}`, "model", "string_above_max_length"},
		{"model twice, escaped", `{"model":"a","input":"x","mo\u0064el":"a"}`, "model", "duplicate_parameter"},
		{"no input", `{"model":"m"}`, "input", "missing_required_parameter"},
		{"empty input", `{"model":"m","input":""}`, "input", "missing_required_parameter"},
		{"empty items", `{"model":"m","input":[],"previous_response_id":null,"prompt":null}`, "input", "missing_required_parameter"},
		{"input as a number", `{"model":"m","input":7}`, "input", "invalid_type"},
		{"input twice", `{"model":"m","input":"x","input":[]}`, "input", "duplicate_parameter"},
		{"item as a text", `{"model":"m","input":["x"]}`, "input[]", "invalid_type"},
		{"store as a text", `{"model":"m","input":"x","store":"no"}`, "store", "invalid_type"},
		{"store twice", `{"model":"m","input":"x","store":true,"store":false}`, "store", "duplicate_parameter"},
		{"in the background", `{"model":"m","input":"x","background":true}`, "background", "unsupported_parameter"},
		{"background twice", `{"model":"m","input":"x","background":false,"backgr\u006fund":true}`, "background", "duplicate_parameter"},
		{"previous as a number", `{"model":"m","previous_response_id":1}`, "previous_response_id", "invalid_type"},
		{"limit of nothing", `{"model":"m","input":"x","max_output_tokens":0}`, "max_output_tokens", "integer_below_min_value"},
		{"half a limit", `{"model":"m","input":"x","max_output_tokens":1.5}`, "max_output_tokens", "invalid_type"},
		{"tools as an object", `{"model":"m","input":"x","tools":{}}`, "tools", "invalid_type"},
		{"instructions as a list", `{"model":"m","input":"x","instructions":[]}`, "instructions", "invalid_type"},
		{"a syntax error beats what came before", `{"model":7,`, "", ""},
	}
	for _, tt := range tests {
		_, err := responses.Dialect{}.Scan([]byte(tt.body), dialect.At{})
		var e *llm.RequestError
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v is no RequestError", tt.name, err)
			continue
		}
		if e.Param != tt.param || e.Code != tt.code || e.Message == "" {
			t.Errorf("%s: param %q, code %q, message %q; want param %q, code %q", tt.name, e.Param, e.Code, e.Message, tt.param, tt.code)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, body := range []string{`{"model":"m","input":"x"}`, `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"\ud83d"}]}],"tools":[{}]}`,
		`{"model":"m","previous_response_id":"r","store":false}`, `{"model":`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s, err := responses.Dialect{}.Scan([]byte(body), dialect.At{})
		if err != nil {
			return
		}
		var out, in map[string]json.RawMessage
		patched := bytes.Join(s.Patch([]byte(body), dialect.Patch{Model: "other"}), nil)
		if json.Unmarshal(patched, &out) != nil || json.Unmarshal([]byte(body), &in) != nil {
			t.Fatalf("%q was patched to %q", body, patched)
		}
		if string(out["model"]) != `"other"` || len(in) != len(out) {
			t.Errorf("%q was patched to %q", body, patched)
		}
		var size int64
		s.PromptText([]byte(body), func(part []byte) { size += int64(len(part)) })
		if size != s.Facts().TextBytes {
			t.Errorf("PromptText gave %d bytes, Facts %d", size, s.Facts().TextBytes)
		}
	})
}
