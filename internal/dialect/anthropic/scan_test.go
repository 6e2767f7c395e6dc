package anthropic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func scan(t testing.TB, body string) dialect.Scanned {
	t.Helper()
	s, err := anthropic.Dialect{}.Scan([]byte(body), dialect.At{})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return s
}

func TestScan(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","max_tokens":9,"stream":true,"system":[{"type":"text","text":"s\u00e9"}],"tools":[{"name":"f"}],"messages":[
		{"role":"user","content":"abc"},
		{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"zzzz"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r"},{"type":"image","source":{"type":"base64","data":"AAAA"}}]},
			{"type":"tool_result","tool_use_id":"u","content":"r2"},
			{"type":"image","source":{"type":"url","url":"https://example.com/x.png"}},
			{"type":"document","source":{"data":"pl\n","type":"text","media_type":"text/plain"},"title":"T"},
			{"type":"document","source":{"type":"base64","data":"AAAA"}}]}]}`
	s := scan(t, body)
	want := &dialect.Facts{Model: "m", Stream: true, MaxTokens: 9, N: 1, TextBytes: int64(len("sé" + `{"name":"f"}` + "abc" + "hm" + "f" + `{"a":1}` + "r" + "r2" + "pl\n" + "T")),
		Images: 2, Messages: 3, Media: 2, Needs: llm.NeedVision | llm.NeedTools}
	if diff := cmp.Diff(want, s.Facts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var text strings.Builder
	s.PromptText([]byte(body), func(part []byte) { text.Write(part) })
	if got, want := text.String(), "sé"+`{"name":"f"}`+"abchmf"+`{"a":1}`+"rr2Tpl\n"; len(got) != len(want) {
		t.Errorf("text %q, want %q in some order", got, want)
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	const rest = `"max_tokens":1,"messages":[{"role":"user","content":"x"}]}`
	tests := []struct{ body, param, message string }{
		{``, "", "not valid JSON"},
		{`[]`, "", "must be a JSON object"},
		{`{"model":"m"`, "", "not valid JSON"},
		{strings.Repeat(`[`, 2000), "", "nested"},
		{`{` + rest, "model", "Field required"},
		{`{"model":null,` + rest, "model", "a string, not null"},
		{`{"model":"` + strings.Repeat("m", 600) + `",` + rest, "model", "longer"},
		{`{"model":"a","mo\u0064el":"b",` + rest, "model", "more than once"},
		{`{"model":"a","stream":"yes",` + rest, "stream", "a boolean, not a string"},
		{`{"model":"a","system":{},` + rest, "system", "a string or an array"},
		{`{"model":"a","metadata":[],` + rest, "metadata", "an object"},
		{`{"model":"a","metadata":{"user_id":"a","user_id":"b"},` + rest, "metadata.user_id", "more than once"},
		{`{"model":"a","tools":{},` + rest, "tools", "an array"},
		{`{"model":"a","messages":[{}]}`, "max_tokens", "Field required"},
		{`{"model":"a","max_tokens":null,"messages":[{}]}`, "max_tokens", "Field required"},
		{`{"model":"a","max_tokens":1.5,"messages":[{}]}`, "max_tokens", "integer"},
		{`{"model":"a","max_tokens":-1,"messages":[{}]}`, "max_tokens", "greater"},
		{`{"model":"a","max_tokens":1,"messages":[]}`, "messages", "at least one"},
		{`{"model":"a","max_tokens":1}`, "messages", "Field required"},
		{`{"model":"a","max_tokens":1,"messages":"x"}`, "messages", "an array"},
	}
	for _, tt := range tests {
		_, err := anthropic.Dialect{}.Scan([]byte(tt.body), dialect.At{})
		var refused *llm.RequestError
		if !errors.As(err, &refused) || refused.Param != tt.param || !strings.Contains(refused.Message, tt.message) {
			t.Errorf("%.80s: %#v, want %q of %q", tt.body, err, tt.message, tt.param)
		}
	}
	if _, err := (anthropic.Dialect{}).ScanCount([]byte(`{"model":"a","messages":[{}]}`)); err != nil {
		t.Errorf("counting without max_tokens: %v", err)
	}
}

func patched(s dialect.Scanned, body string, p dialect.Patch) string {
	return string(bytes.Join(s.Patch([]byte(body), p), nil))
}

func TestPatch(t *testing.T) {
	t.Parallel()
	const rest = `"max_tokens":1,"messages":[{"role":"user","content":"x"}]}`
	vertex := dialect.Patch{OmitModel: true, AnthropicVersion: "vertex-2023-10-16"}
	tests := []struct {
		name, body, want string
		patch            dialect.Patch
	}{
		{"model", `{ "model" : "a", ` + rest, `{ "model" : "b\"", ` + rest, dialect.Patch{Model: `b"`}},
		{"version in place of the model", `{"mo\u0064el" : "a", ` + rest, `{"anthropic_version":"vertex-2023-10-16", ` + rest, vertex},
		{"version is there", `{"anthropic_version":"x","model":"a" , ` + rest, `{"anthropic_version":"x", ` + rest, vertex},
		{"version is there, model last", `{"anthropic_version":"x",` + rest[:len(rest)-1] + ` , "model":"a" }`, `{"anthropic_version":"x",` + rest[:len(rest)-1] + `  }`, vertex},
		{"both", `{"model":"a",` + rest, `{"model":"a","anthropic_version":"v",` + rest, dialect.Patch{Model: "a", AnthropicVersion: "v"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := scan(t, tt.body)
			for range 2 { // once for each attempt
				if got := patched(s, tt.body, tt.patch); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			}
		})
	}
	body := []byte(`{"model":"\u0061",` + rest)
	if got := scan(t, string(body)).Patch(body, dialect.Patch{Model: "a"}); len(got) != 1 || &got[0][0] != &body[0] {
		t.Errorf("the same model gave %q, want the body in one piece, not a copy", got)
	}
}

var claudeUser = regexp.MustCompile(`"user_[0-9a-f]{64}_account__session_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)

func TestPatchForClaudeCLI(t *testing.T) {
	t.Parallel()
	const first = `{"type":"text","text":"You are Claude Code, Anthropic's official CLI for Claude."}`
	const user = `"user_0_account__session_1"`
	tests := []struct{ name, body, want string }{
		{"nothing there", `{"model":"a","max_tokens":1}`, `{"model":"b","system":[` + first + `],"metadata":{"user_id":USER},"max_tokens":1}`},
		{"nulls", `{"system":null,"metadata":null,"model":"a"}`, `{"system":[` + first + `],"metadata":{"user_id":USER},"model":"b"}`},
		{"text", `{"model":"a","system":"be\n brief","metadata":{}}`, `{"model":"b","system":[` + first + `,{"type":"text","text":"be\n brief"}],"metadata":{"user_id":USER}}`},
		{"empty text", `{"model":"a","system":"","metadata":{"x":1}}`, `{"model":"b","system":[` + first + `],"metadata":{"user_id":USER,"x":1}}`},
		{"blocks", `{"model":"a","system":[ {"type":"text","text":"s"}],"metadata":{"user_id":"someone"}}`, `{"model":"b","system":[` + first + `, {"type":"text","text":"s"}],"metadata":{"user_id":USER}}`},
		{"no blocks", `{"model":"a","system":[ ],"metadata":{"user_id":null}}`, `{"model":"b","system":[` + first + ` ],"metadata":{"user_id":USER}}`},
		{"all there", `{"model":"a","system":[` + first + `],"metadata":{"user_id":` + user + `}}`, `{"model":"b","system":[` + first + `],"metadata":{"user_id":` + user + `}}`},
		{"a variant of it", `{"model":"a","system":[{"type":"text","text":"x-header: 1"},{"type":"text","text":"You are Claude Code, Anthropic's official CLI for Claude, running within"}],"metadata":{"user_id":"{\"device_id\":1}"}}`,
			`{"model":"b","system":[{"type":"text","text":"x-header: 1"},{"type":"text","text":"You are Claude Code, Anthropic's official CLI for Claude, running within"}],"metadata":{"user_id":"{\"device_id\":1}"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := tt.body[:len(tt.body)-1] + `,"messages":[{}]` + `,"max_tokens":1}`
			body = strings.Replace(body, `"max_tokens":1,`, "", 1)
			want := tt.want[:len(tt.want)-1] + `,"messages":[{}]` + `,"max_tokens":1}`
			want = strings.Replace(want, `"max_tokens":1,`, "", 1)
			got := patched(scan(t, body), body, dialect.Patch{Model: "b", ClaudeCLI: true})
			if again := patched(scan(t, body), body, dialect.Patch{Model: "b", ClaudeCLI: true}); again != got {
				t.Errorf("two calls differ: %s and %s", got, again)
			}
			if got := claudeUser.ReplaceAllString(got, "USER"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// checkPatch patches a body in all ways and looks that nothing else changed.
func checkPatch(t testing.TB, body []byte) {
	t.Helper()
	s, err := anthropic.Dialect{}.ScanCount(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []dialect.Patch{{Model: "up"}, {Model: "up", OmitModel: true, AnthropicVersion: "v"}, {OmitModel: true}, {Model: "up", ClaudeCLI: true}} {
		var want, got map[string]json.RawMessage
		text := bytes.Join(s.Patch(body, p), nil)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%+v makes %s: %v", p, text, err)
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		want["model"] = json.RawMessage(`"up"`)
		if p.OmitModel {
			delete(want, "model")
		}
		if old := want["anthropic_version"]; p.AnthropicVersion != "" && (len(old) == 0 || old[0] != '"') {
			want["anthropic_version"] = json.RawMessage(`"v"`)
		}
		if p.ClaudeCLI {
			for _, name := range []string{"system", "metadata"} {
				if len(got[name]) < len(want[name]) && string(want[name]) != "null" && name == "system" {
					t.Errorf("%s lost something: %s", name, got[name])
				}
				delete(want, name)
				delete(got, name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", p, diff)
		}
	}
}

func TestPatchChangesNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		space := rapid.SampledFrom([]string{"", " ", "\n\t"})
		pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, label) }
		fields := []string{
			pick("key", `"model"`, `"mo\u0064el"`) + space.Draw(rt, "s") + ":" + space.Draw(rt, "s") + pick("model", `"m"`, `"\u00e9"`),
			`"messages":[{"role":"user","content":"{\"model\":1,"}]`,
			`"x":{"model":"no", "system":[]}`,
		}
		for _, optional := range []string{
			`"system":` + pick("system", `"s"`, "null", "[]", "[ ]", `[{"type":"text","text":"s"}]`, `""`),
			`"metadata" :` + pick("metadata", "{}", "{ }", "null", `{"user_id":"u"}`, `{ "a":1}`),
			`"anthropic_version":` + pick("version", `"x"`, "null"),
		} {
			if rapid.Bool().Draw(rt, "optional") {
				fields = append(fields, optional)
			}
		}
		body := "{" + strings.Join(rapid.Permutation(fields).Draw(rt, "order"), space.Draw(rt, "s")+",") + "}" + space.Draw(rt, "s")
		checkPatch(t, []byte(body))
	})
}

func FuzzScan(f *testing.F) {
	f.Add(`{"model":"m","max_tokens":9,"stream":true,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"abc"}]}`)
	f.Add(`{"messages":[{"content":[{"type":"document","source":{"type":"text","data":"a"}}]}],"max_tokens":0,"metadata":{"user_id":"x"},"model":"\ud800"}`)
	f.Add(`{"anthropic_version":null,"model":"a","messages":[[]],"max_tokens":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		s, err := anthropic.Dialect{}.Scan([]byte(body), dialect.At{})
		if err != nil {
			return
		}
		text := int64(0)
		s.PromptText([]byte(body), func(part []byte) { text += int64(len(part)) })
		if text > int64(len(body)) {
			t.Errorf("%d bytes of text in a body of %d", text, len(body))
		}
		for _, p := range []dialect.Patch{{Model: "up"}, {OmitModel: true, AnthropicVersion: "v"}, {OmitModel: true}, {ClaudeCLI: true}} {
			if got := bytes.Join(s.Patch([]byte(body), p), nil); !json.Valid(got) {
				t.Errorf("%+v makes %q of %q", p, got, body)
			}
		}
	})
}
