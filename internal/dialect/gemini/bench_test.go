package gemini_test

import (
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"
)

const delta = `{"candidates": [{"content": {"parts": [{"text": " a few words of an answer"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 272,"candidatesTokenCount": 23,"totalTokenCount": 1409,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 14},{"modality": "IMAGE","tokenCount": 258}],"thoughtsTokenCount": 1114},"modelVersion": "gemini-2.5-pro","responseId": "PwGzacKDPOmtz7IPmcKhqAM"}`

func BenchmarkDecoderEvent(b *testing.B) {
	d := gemini.Dialect{}.Decoder()
	emit := func(*llm.Event) error { return nil }
	b.ReportAllocs()
	b.SetBytes(int64(len(delta)))
	for b.Loop() {
		if _, err := d.Decode([]byte(delta), emit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncoderEvent(b *testing.B) {
	e := gemini.Dialect{}.Encoder(nil)
	_, _ = e.Append(nil, &llm.Event{Kind: llm.Start, ID: "id", Model: "m"})
	_, _ = e.Append(nil, &llm.Event{Kind: llm.Open, Block: llm.Block{Kind: llm.Text}})
	ev, buf := &llm.Event{Kind: llm.Delta, Text: " a few words of an answer"}, make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Append(buf[:0], ev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWatchEvent(b *testing.B) {
	w := gemini.Dialect{}.Watch(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(delta)))
	for b.Loop() {
		if _, err := w.Event([]byte(delta)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	body := []byte(requestSeeds[2])
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := (gemini.Dialect{}).Scan(body, dialect.At{Model: "m"}); err != nil {
			b.Fatal(err)
		}
	}
}
