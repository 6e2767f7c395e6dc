package gemini_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"
)

var requestSeeds = []string{
	`{` + hiWire + `}`,
	`{"model":"models/m","contents":{"parts":{"text":"x"}},"tools":[{"function_declarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}}]},{"googleSearch":{}}]}`,
	`{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"X2FpaDFf"},{"thought":true,"text":"t"}]},{"parts":[{"functionResponse":{"name":"f","response":{"output":1}}}]}],
		"generationConfig":{"maxOutputTokens":"7","responseMimeType":"application/json","responseSchema":{"type":"STRING"},"thinkingConfig":{"thinkingBudget":-1}}}`,
	`{"generateContentRequest":{"contents":[]}}`,
}

var answerSeeds = []string{
	candidate(`{"text":"a","thoughtSignature":"S"},{"functionCall":{"name":"f","args":{"a":1}}},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}`),
	stop, `{"promptFeedback":{"blockReason":"SAFETY"}}`, `{"error":{"code":429,"details":[{"retryDelay":"3s"}]}}`,
	`{"candidates":[{"groundingMetadata":{"groundingSupports":[{"segment":{"endIndex":5},"groundingChunkIndices":[0]}],"groundingChunks":[{}]},"content":{"parts":[{"text":"é"}]},"finishReason":1}],
		"usageMetadata":{"promptTokenCount":3,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":1}]}}`,
}

func FuzzScanAndPatch(f *testing.F) {
	for _, s := range requestSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := gemini.Dialect{}.Scan(body, dialect.At{Model: "m"})
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatal("taken, but no JSON")
		}
		patched := bytes.Join(s.Patch(body, dialect.Patch{Model: "other"}), nil)
		again, err := gemini.Dialect{}.Scan(patched, dialect.At{Model: "m"})
		if err != nil {
			t.Fatalf("%s became %s: %v", body, patched, err)
		}
		if *again.Facts() != *s.Facts() {
			t.Fatalf("%+v became %+v", s.Facts(), again.Facts())
		}
		n := 0
		s.PromptText(body, func(p []byte) { n += len(p) })
		if int64(n) != s.Facts().TextBytes {
			t.Fatalf("%d bytes passed on, %d counted", n, s.Facts().TextBytes)
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	for _, s := range requestSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := gemini.Dialect{}.DecodeRequest(body, dialect.At{Model: "gemini-2.0-flash"})
		if err != nil {
			return
		}
		for _, model := range []string{"gemini-2.0-flash", "gemini-3-pro"} {
			out, _, err := gemini.Dialect{}.EncodeRequest(r, dialect.Target{Model: model})
			if err == nil && !json.Valid(out) {
				t.Fatalf("%s became %s", body, out)
			}
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	for _, s := range answerSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := gemini.Dialect{}.DecodeResponse(body)
		if err != nil {
			return
		}
		if out := (gemini.Dialect{}).EncodeResponse(r, nil); !json.Valid(out) {
			t.Fatalf("%s became %s", body, out)
		}
	})
}

func FuzzDecoder(f *testing.F) {
	for _, s := range answerSeeds {
		f.Add([]byte(s), []byte(stop))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d, e := gemini.Dialect{}.Decoder(), gemini.Dialect{}.Encoder(nil)
		var out []byte
		emit := func(ev *llm.Event) (err error) {
			out, err = e.Append(out, ev)
			return err
		}
		for _, data := range [][]byte{first, second} {
			if done, err := d.Decode(data, emit); done || err != nil {
				return
			}
		}
		if _, err := d.End(emit); err != nil {
			t.Fatal(err)
		}
		for _, event := range bytes.Split(bytes.TrimSpace(e.AppendEnd(out)), []byte("\n\n")) {
			if data, ok := bytes.CutPrefix(event, []byte("data: ")); len(event) > 0 && (!ok || !json.Valid(data)) {
				t.Fatalf("event %q", event)
			}
		}
	})
}
