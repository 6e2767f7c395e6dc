package main

import (
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// BenchmarkRequest reads and writes what a coding agent sends, in every dialect.
func BenchmarkRequest(b *testing.B) {
	for _, size := range []int{smallBody, largeBody} {
		request, err := conversation(size)
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range dialects {
			body, err := encoded(d, request, "m", false)
			if err != nil {
				b.Fatal(err)
			}
			name := setting(size, false)[:len(setting(size, false))-len(" whole")] + "/" + d.Name()
			b.Run("scan/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Scan(body, dialect.At{Model: "m"}); err != nil {
						b.Fatal(err)
					}
				}
			})
			scanned, err := d.Scan(body, dialect.At{Model: "m"})
			if err != nil {
				b.Fatal(err)
			}
			b.Run("decode/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.DecodeRequest(body, dialect.At{Model: "m", Facts: scanned.Facts()}); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("encode/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := encoded(d, request, "m", false); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkAnswer reads and writes a short whole answer, in every dialect.
func BenchmarkAnswer(b *testing.B) {
	asked := &llm.Request{Model: "m"}
	answer := &llm.Response{ID: "a_1", Model: "m", Created: 1_700_000_000, HasUsage: true, Usage: llm.Usage{Input: 500, Output: 16}, Candidates: []llm.Candidate{{
		Blocks: []llm.Block{{Kind: llm.Text, Text: "It is in cmd/main.go, as far as I can see."}}, Finish: llm.FinishStop}}}
	for _, d := range dialects {
		body := d.EncodeResponse(answer, asked)
		b.Run("decode/"+d.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.DecodeResponse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("encode/"+d.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.EncodeResponse(answer, asked)
			}
		})
	}
}

// BenchmarkEvent takes the events of one dialect to another, bytes to bytes.
func BenchmarkEvent(b *testing.B) {
	for _, target := range dialects {
		stream, err := spokenStream(b.Context(), target)
		if err != nil {
			b.Fatal(err)
		}
		for _, caller := range dialects {
			if caller == target {
				continue
			}
			b.Run(caller.Name()+" from "+target.Name(), func(b *testing.B) {
				b.ReportAllocs()
				events := 0
				for b.Loop() {
					t := newTranslator(pair{caller, target}, &llm.Request{Model: "m", Stream: true, IncludeUsage: true})
					if err := t.run(stream); err != nil {
						b.Fatal(err)
					}
					events = t.events
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
			})
		}
	}
}
