package gemini_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"
)

// callsOf reads a stream of parts and shows its calls.
func callsOf(parts ...string) (string, error) {
	d := gemini.Dialect{}.Decoder()
	var fold llm.Fold
	emit := func(e *llm.Event) error { fold.Add(e); return nil }
	for _, p := range parts {
		if _, err := d.Decode([]byte(`{"candidates":[{"content":{"parts":[`+p+`],"role":"model"}}]}`), emit); err != nil {
			return "", err
		}
	}
	if _, err := d.Decode([]byte(`{"candidates":[{"finishReason":"STOP"}]}`), emit); err != nil {
		return "", err
	}
	var out []string
	for _, b := range fold.Response().Candidates[0].Blocks {
		if b.Kind == llm.ToolCall {
			out = append(out, b.Call.Name+b.Call.Input+b.State.Data)
		}
	}
	return strings.Join(out, " "), nil
}

func TestCallsInPieces(t *testing.T) {
	t.Parallel()
	begin := `{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"AAAA"}`
	piece := func(args string) string {
		return `{"functionCall":{"partialArgs":[` + args + `],"willContinue":true}}`
	}
	const end = `{"functionCall":{}}`
	for name, tt := range map[string]struct {
		parts []string
		want  string
	}{
		"a text": {[]string{begin, piece(`{"jsonPath":"$.a","stringValue":"New ","willContinue":true}`), piece(`{"jsonPath":"$.a","stringValue":"Delhi \"\u00e9","willContinue":true}`),
			piece(`{"jsonPath":"$.a"}`), end}, `f{"a":"New Delhi \"é"}AAAA`},
		"all sorts": {[]string{begin, piece(`{"jsonPath":"$.n","numberValue":1.5},{"jsonPath":"$.b","boolValue":false},{"jsonPath":"$.z","nullValue":"NULL_VALUE"}`),
			piece(`{"jsonPath":"$.o.l[0].x","stringValue":"y"},{"jsonPath":"$.o.l[1]","stringValue":""},{"jsonPath":"$['c d'].e","numberValue":2}`), end},
			`f{"n":1.5,"b":false,"z":null,"o":{"l":[{"x":"y"},""]},"c d":{"e":2}}AAAA`},
		"texts by turns": {[]string{begin, piece(`{"jsonPath":"$.a","stringValue":"1","willContinue":true},{"jsonPath":"$.b","stringValue":"2","willContinue":true},{"jsonPath":"$.a","stringValue":"3"}`), end},
			`f{"a":"13","b":"2"}AAAA`},
		"the last with values": {[]string{begin, `{"functionCall":{"partialArgs":[{"jsonPath":"$.a","numberValue":1}]}}`, `{"functionCall":{"name":"g","args":{"b":2}}}`}, `f{"a":1}AAAA g{"b":2}`},
		"no arguments":         {[]string{begin, end, begin, end}, `f{}AAAA f{}AAAA`},
		"cut off":              {[]string{begin, piece(`{"jsonPath":"$.a","numberValue":1}`)}, ``},
	} {
		if got, err := callsOf(tt.parts...); err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, tt.want)
		}
	}
	for _, path := range []string{``, `$`, `a`, `$.a[1]`, `$.a[-1]`, `$.a[x]`, `$.a[`, `$['a`, `$[0]`, `$.` + strings.Repeat("a.", 100) + `b`} {
		if got, err := callsOf(begin, piece(`{"jsonPath":"`+path+`","numberValue":1}`), end); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("path %q: %s, %v", path, got, err)
		}
	}
	if _, err := callsOf(begin, `{"functionCall":{"name":"g","args":{}}}`); !errors.Is(err, dialect.ErrMalformed) {
		t.Errorf("a call within another: %v", err)
	}
}
