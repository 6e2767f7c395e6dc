package form_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/form"
	"aihigress/internal/llm"
)

var (
	plain = form.New("", map[string]form.Role{"model": form.Model, "stream": form.Stream, "stream_format": form.StreamFormat,
		"n": form.Count, "input": form.Text, "input[]": form.Text, "input[][]": form.Text, "input[].image_url": form.Picture})
	usual = form.New("usual-m", map[string]form.Role{"model": form.Model, "input": form.Text})
	batch = form.New("", map[string]form.Role{"model": form.Resource, "requests[].model": form.Resource, "requests[].text": form.Text})
)

func TestScanAndPatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		form  *form.Form
		at    dialect.At
		body  string
		want  dialect.Facts
		patch string
	}{
		{"text", plain, dialect.At{}, ` {"x":[1],"model" : "m","input":"h\u00e9llo"} `,
			dialect.Facts{Model: "m", N: 1, TextBytes: 6}, ` {"x":[1],"model" : "up\"m","input":"h\u00e9llo"} `},
		{"lists", plain, dialect.At{}, `{"input":["ab","c"],"n":3,"stream":true,"model":"m"}`,
			dialect.Facts{Model: "m", N: 3, Stream: true, TextBytes: 3}, `{"input":["ab","c"],"n":3,"stream":true,"model":"up\"m"}`},
		{"tokens", plain, dialect.At{}, `{"model":"m","input":[[1,2],[3]],"n":null,"stream":null}`,
			dialect.Facts{Model: "m", N: 1, InputTokens: 3}, `{"model":"up\"m","input":[[1,2],[3]],"n":null,"stream":null}`},
		{"events", plain, dialect.At{}, `{"model":"m","stream_format":"sse","input":[{"image_url":{"url":"x"}}]}`,
			dialect.Facts{Model: "m", N: 1, Stream: true, Images: 1}, `{"model":"up\"m","stream_format":"sse","input":[{"image_url":{"url":"x"}}]}`},
		{"default", usual, dialect.At{}, "{ \"input\":\"a\"}", dialect.Facts{Model: "usual-m", N: 1, TextBytes: 1}, `{"model":"up\"m", "input":"a"}`},
		{"default of nothing", usual, dialect.At{}, "{\n}", dialect.Facts{Model: "usual-m", N: 1}, "{\"model\":\"up\\\"m\"\n}"},
		{"resources", batch, dialect.At{Model: "m"}, `{"model":"models/m","requests":[{"model":"models/m","text":"a"},{"model":"other","text":"b"}]}`,
			dialect.Facts{Model: "m", N: 1, TextBytes: 2},
			`{"model":"models/up\"m","requests":[{"model":"models/up\"m","text":"a"},{"model":"up\"m","text":"b"}]}`},
		{"no resources", batch, dialect.At{Model: "m"}, `{"requests":[{"text":"a"}]}`, dialect.Facts{Model: "m", N: 1, TextBytes: 1}, `{"requests":[{"text":"a"}]}`},
	} {
		s, err := tt.form.Scan([]byte(tt.body), tt.at)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if *s.Facts() != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, *s.Facts(), tt.want)
		}
		if got := joined(s.Patch([]byte(tt.body), dialect.Patch{Model: `up"m`})); got != tt.patch {
			t.Errorf("%s: patched\n%s\nwant\n%s", tt.name, got, tt.patch)
		}
		var text int64
		s.PromptText([]byte(tt.body), func(part []byte) { text += int64(len(part)) })
		if text != tt.want.TextBytes {
			t.Errorf("%s: %d bytes of text are passed on, %d were counted", tt.name, text, tt.want.TextBytes)
		}
	}
}

func TestPatchWithTheSameNameKeepsTheBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"model":"m","input":"a"}`, `{"model":"\u006d"}`} {
		s, err := plain.Scan([]byte(body), dialect.At{})
		if err != nil {
			t.Fatal(err)
		}
		if got := joined(s.Patch([]byte(body), dialect.Patch{Model: "m"})); got != body {
			t.Errorf("%s became %s", body, got)
		}
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	for body, param := range map[string]string{
		``: "", `[]`: "", `{"model":"m"`: "", `null`: "", `{}`: "model", `{"model":""}`: "model",
		`{"model":7}`: "model", `{"model":null}`: "model", `{"model":"m","model":"n"}`: "model", `{"model":"m","\u006dodel":"n"}`: "model",
		`{"model":"m","stream":"yes"}`: "stream", `{"model":"m","n":0}`: "n", `{"model":"m","n":1.5}`: "n", `{"model":"m","n":"2"}`: "n",
		`{"model":"` + strings.Repeat("m", 600) + `"}`: "model", strings.Repeat("[", 1100): "",
	} {
		_, err := plain.Scan([]byte(body), dialect.At{})
		bad, ok := errors.AsType[*llm.RequestError](err)
		if !ok || bad.Param != param {
			t.Errorf("%.60s: %v, want a refusal that names %q", body, err, param)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"model":"models/m","requests":[{"model":"x"}],"input":["a",1],"n":2}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"model":""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, form := range []*form.Form{plain, usual, batch} {
			s, err := form.Scan(body, dialect.At{})
			if err != nil {
				continue
			}
			patched := joined(s.Patch(body, dialect.Patch{Model: "upstream"}))
			again, err := form.Scan([]byte(patched), dialect.At{Model: "upstream"})
			if err != nil {
				t.Fatalf("%q became %q: %v", body, patched, err)
			}
			if again.Facts().Model != "upstream" || again.Facts().TextBytes != s.Facts().TextBytes {
				t.Fatalf("%q became %q", body, patched)
			}
		}
	})
}

func joined(pieces [][]byte) string { return string(bytes.Join(pieces, nil)) }
