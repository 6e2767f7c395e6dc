package openai_test

import (
	"testing"

	"aihigress/internal/dialect/openai"
)

// The texts of a prompt are those that TextBytes counts.
func TestPromptText(t *testing.T) {
	t.Parallel()
	any, err := openai.ScanAny([]byte(`{"model":"m"}`)) // PromptText needs no scan of its own
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"model":"m","messages":[{"role":"user","content":"a\u00e9 "},{"content":[{"type":"text","text":"b"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"tools":[{"type":"x"}]}`: `aé b{"type":"x"}`,
		`{"model":"m","input":["one","two"]}`:           "onetwo",
		`{"model":"m","messages":[{"content":"cut here`: "cut here",
	} {
		var got []byte
		any.PromptText([]byte(body), func(part []byte) { got = append(got, part...) })
		if string(got) != want {
			t.Errorf("%s: %q", body, got)
		}
		if r, err := openai.ScanAny([]byte(body)); err == nil && r.Facts().TextBytes != int64(len(got)) {
			t.Errorf("%s: %d bytes, TextBytes says %d", body, len(got), r.Facts().TextBytes)
		}
	}
}
