package openai_test

import (
	"errors"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
)

func TestReports(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body          string
		want          llm.Usage
		credible, odd bool
	}{
		{`{"usage":{"input_tokens":10,"output_tokens":4,"input_tokens_details":{"image_tokens":3,"cached_tokens":2}}}`, llm.Usage{Input: 8, CachedInput: 2, Output: 4, ImageInput: 3}, true, false},
		{`{"usage":{"total_tokens":9}}`, llm.Usage{Input: 9}, true, false},
		{`{"usage":{"type":"duration","seconds":0.25}}`, llm.Usage{Input: 3, AudioInput: 3, Seconds: 1, Estimated: true}, true, false},
		{`{"data":[{"url":"a"},{"b64_json":"b"}]}`, llm.Usage{Output: 2 * llm.PictureTokens, ImageOutput: 2 * llm.PictureTokens, Images: 2, Estimated: true}, true, false},
		{`{"usage":{"input_tokens":-1}}`, llm.Usage{}, false, true},
		{`{"usage":{"input_tokens":1e300}}`, llm.Usage{}, false, true},
		{`{"results":[]}`, llm.Usage{}, false, false},
	} {
		for _, n := range []int{1, 7, len(tt.body)} {
			w := openai.WatchReport(nil, false)
			for at := 0; at < len(tt.body); at += n {
				if _, err := w.Write([]byte(tt.body[at:min(len(tt.body), at+n)])); err != nil {
					t.Fatal(err)
				}
			}
			err := w.End()
			if u, ok := w.Usage(); u != tt.want || ok != tt.credible || w.OddUsage() != tt.odd || err != nil {
				t.Errorf("%s: %+v, %v, odd %v, %v", tt.body, u, ok, w.OddUsage(), err)
			}
		}
	}
}

// A stream of several pictures tells the usage of each; a picture whose event tells none is estimated.
func TestPicturesOfAStream(t *testing.T) {
	t.Parallel()
	const part = `{"type":"image_generation.partial_image","b64_json":"AAAA","partial_image_index":0}`
	const whole = `{"type":"image_generation.completed","b64_json":"AAAA","usage":{"input_tokens":10,"output_tokens":4,"total_tokens":14,"input_tokens_details":{"image_tokens":3,"text_tokens":7}}}`
	const untold = `{"b64_json":"AAAA","type":"image_edit.completed"}`
	for _, tt := range []struct {
		name   string
		events []string
		want   llm.Usage
	}{
		{"one", []string{part, part, whole}, llm.Usage{Input: 10, Output: 4, ImageInput: 3, Images: 1}},
		{"two", []string{part, whole, part, whole}, llm.Usage{Input: 20, Output: 8, ImageInput: 6, Images: 2}},
		{"one of two told", []string{whole, untold}, llm.Usage{Input: 10, Output: 4 + llm.PictureTokens, ImageInput: 3, ImageOutput: llm.PictureTokens, Images: 2, Estimated: true}},
		{"none told", []string{part, untold, untold}, llm.Usage{Output: 2 * llm.PictureTokens, ImageOutput: 2 * llm.PictureTokens, Images: 2, Estimated: true}},
	} {
		w := openai.WatchReport(nil, false)
		for _, event := range tt.events {
			if c, err := w.Event([]byte(event)); err != nil || !c.Content || c.Finish == (event == part) {
				t.Errorf("%s: %+v, %v", tt.name, c, err)
			}
		}
		if u, ok := w.Usage(); u != tt.want || !ok || w.OddUsage() {
			t.Errorf("%s: %+v, %v", tt.name, u, ok)
		}
	}
}

func TestReportsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"a":`, `[]`, `x`} {
		strict, lenient := openai.WatchReport(nil, false), openai.WatchReport(nil, true)
		_, err := strict.Write([]byte(body))
		if err = errors.Join(err, strict.End()); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", body, err)
		}
		if _, err := lenient.Write([]byte(body)); err != nil || lenient.End() != nil {
			t.Errorf("%s is fine where anything is: %v", body, err)
		}
	}
	w := openai.WatchReport(nil, false)
	if c, err := w.Event([]byte(`{"type":"error","error":{"message":"no","code":"x"}}`)); err != nil || c.Error == nil || c.Error.Message != "no" || c.Content {
		t.Errorf("an error: %+v, %v", c, err)
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"usage":{"input_tokens":3,"seconds":1},"data":[{"url":""}],"error":{"message":"a"}}`), true)
	f.Fuzz(func(t *testing.T, body []byte, lenient bool) {
		w := openai.WatchReport(func([]byte) {}, lenient)
		if _, err := w.Write(body); err == nil {
			_ = w.End()
		}
		if u, _ := w.Usage(); u.Input < 0 || u.Output < 0 || u.TotalInput() > llm.MaxTokens {
			t.Fatalf("%q: %+v", body, u)
		}
		_, _ = openai.WatchReport(nil, lenient).Event(body)
	})
}
