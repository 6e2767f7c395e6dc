package openai_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"

	"pgregory.net/rapid"
)

func TestPatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, want string
		ask              bool
	}{
		{"model only", `{ "model" : "a", "x":1 }`, `{ "model" : "up\"1", "x":1 }`, false},
		{"asked, but no stream", `{"model":"a"}`, `{"model":"up\"1"}`, true},
		{"no options", `{"stream":true,"model":"a","x":[1, 2]}`, `{"stream":true,"model":"up\"1","stream_options":{"include_usage":true},"x":[1, 2]}`, true},
		{"null options after", `{"model":"a","stream":true,"stream_options":null}`, `{"model":"up\"1","stream":true,"stream_options":{"include_usage":true}}`, true},
		{"options before", `{"stream_options":{"include_usage":false, "x":1},"model":"a","stream":true}`, `{"stream_options":{"include_usage":true, "x":1},"model":"up\"1","stream":true}`, true},
		{"options without it", `{"model":"a","stream_options":{ "x":1},"stream":true}`, `{"model":"up\"1","stream_options":{"include_usage":true, "x":1},"stream":true}`, true},
		{"empty options", `{"model":"a","stream_options":{ },"stream":true}`, `{"model":"up\"1","stream_options":{"include_usage":true },"stream":true}`, true},
		{"null include", `{"model":"a","stream_options":{"include_usage":null},"stream":true}`, `{"model":"up\"1","stream_options":{"include_usage":true},"stream":true}`, true},
		{"asked already", `{"model":"a","stream_options":{"include_usage":true},"stream":true}`, `{"model":"up\"1","stream_options":{"include_usage":true},"stream":true}`, true},
		{"not to be asked", `{"model":"a","stream":true}`, `{"model":"up\"1","stream":true}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req, err := openai.ScanAny([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // once for each attempt
				if got := bytes.Join(req.Patch([]byte(tt.body), dialect.Patch{Model: `up"1`, AskUsage: tt.ask}), nil); string(got) != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			}
		})
	}
}

func TestPatchOfTheSameModelIsTheBodyItself(t *testing.T) {
	t.Parallel()
	body := []byte(`{"mo\u0064el":"\u0061","x":"é"}`)
	req, err := openai.ScanAny(body)
	if err != nil {
		t.Fatal(err)
	}
	if got := req.Patch(body, dialect.Patch{Model: "a", AskUsage: true}); len(got) != 1 || &got[0][0] != &body[0] {
		t.Errorf("got %q, want the body in one piece, not a copy", got)
	}
}

// drawBody makes a valid request of fields in any order with odd spacing.
func drawBody(t *rapid.T) string {
	space := rapid.SampledFrom([]string{"", " ", "\n\t"})
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	fields := []string{
		pick("model key", `"model"`, `"mo\u0064el"`) + space.Draw(t, "s") + ":" + space.Draw(t, "s") + pick("model", `"gpt-4o"`, `"\u00e9"`, `"a b"`),
		`"stream":` + pick("stream", "true", "false", "null"),
		`"messages":[{"role":"user","content":` + strconv.QuoteToASCII(rapid.StringMatching(`[a-z" {}\[\]:,]{0,30}`).Draw(t, "text")) + `}]`,
		`"logit_bias":{"1":1.50e1}`,
	}
	if rapid.Bool().Draw(t, "options") {
		fields = append(fields, `"stream_options" :`+pick("value", "null", "{}", "{ \n}", `{"include_usage":true}`, `{"include_usage": false}`,
			`{"x":{"include_usage":1}}`, `{"include_obfuscation":false,"include_usage":null}`))
	}
	return "{" + strings.Join(rapid.Permutation(fields).Draw(t, "order"), space.Draw(t, "s")+",") + "}" + space.Draw(t, "s")
}

func TestPatchChangesNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := drawBody(t)
		ask := rapid.Bool().Draw(t, "ask")
		checkPatch(t, []byte(body), ask)
	})
}

// checkPatch holds a patched body against the original, decoded by encoding/json and byte by byte.
func checkPatch(t interface {
	Fatalf(string, ...any)
}, body []byte, ask bool) {
	req, err := openai.ScanAny(body)
	if err != nil {
		if json.Valid(body) && bytes.Contains(body, []byte(`"messages"`)) {
			t.Fatalf("refused %s: %v", body, err)
		}
		return
	}
	out := bytes.Join(req.Patch(body, dialect.Patch{Model: "upstream/model", AskUsage: ask}), nil)
	var before, after map[string]json.RawMessage
	if err := json.Unmarshal(body, &before); err != nil {
		t.Fatalf("accepted %s: %v", body, err)
	}
	if err := json.Unmarshal(out, &after); err != nil {
		t.Fatalf("%s became %s: %v", body, out, err)
	}
	if string(after["model"]) != `"upstream/model"` {
		t.Fatalf("%s became %s: wrong model", body, out)
	}
	again, err := openai.ScanAny(out)
	if err != nil || again.Facts().Stream != req.Facts().Stream {
		t.Fatalf("%s became %s: %v", body, out, err)
	}
	if want := req.Facts().IncludeUsage || ask && req.Facts().Stream; again.Facts().IncludeUsage != want {
		t.Fatalf("%s became %s: include_usage is %v", body, out, again.Facts().IncludeUsage)
	}
	if !ask && !bytes.Equal(out, splice(body, before["model"], []byte(`"upstream/model"`))) {
		t.Fatalf("%s became %s: more than the model changed", body, out)
	}
	for key, value := range before {
		if key != "model" && key != "stream_options" && !bytes.Equal(after[key], value) {
			t.Fatalf("%s became %s: %s changed", body, out, key)
		}
	}
}

// splice replaces the one value of the model, found by decoding token by token.
func splice(body, old, replacement []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(body))
	depth, key := 0, false
	for {
		token, err := dec.Token()
		if err != nil {
			return nil
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			key = depth == 1
		case json.Delim('}'), json.Delim(']'):
			depth--
			key = depth == 1
		default:
			if key && token == "model" {
				at := int(dec.InputOffset())
				at += bytes.Index(body[at:], old)
				return slices.Concat(body[:at], replacement, body[at+len(old):])
			}
			key = depth == 1 && !key
		}
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"model":"a","stream":true}`), true)
	f.Add([]byte(`{"stream_options":{"include_usage":false},"model":"a","stream":true}`), true)
	f.Add([]byte(`{"stream_options":null, "mo\u0064el":"a","stream":true , "x":{"model":"b"}}`), true)
	f.Fuzz(func(t *testing.T, body []byte, ask bool) {
		if bytes.Contains(body, []byte(`messages`)) {
			t.Skip() // the check takes these for bodies that must be accepted
		}
		checkPatch(t, body, ask)
	})
}
