package jsonwrite_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonwrite"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

func check(t rapid.TB, s string) {
	want, _ := jsontext.AppendQuote([]byte("before"), s)
	if got := jsonwrite.String([]byte("before"), s); string(got) != string(want) {
		t.Fatalf("%q is written as %s, want %s", s, got, want)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for at := range 17 { // in a word, at its edges and behind the last
			b := []byte(strings.Repeat("x", 17))
			b[at] = byte(c)
			check(t, string(b))
			check(t, string(b[at:]))
		}
	}
	piece := rapid.SampledFrom([]string{"", "a", "plain text", `"`, `\`, "\n", "\t", "\r", "\b", "\f", "\x00", "\x1f", " ", "!", "#", "[", "]", "\x7f", "é", "\u2028", "<&>", "😀", "\xf0\x9f\x98", "\x80", "\xff"})
	rapid.Check(t, func(t *rapid.T) {
		check(t, strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "pieces"), ""))
	})
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a\nb", "\"\\\x01\xff", "é and a longer text, \x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { check(t, s) })
}

func BenchmarkString(b *testing.B) {
	for name, text := range map[string]string{
		"id": "call_00000001", "lines": strings.Repeat("- Read before you write, and say \"I do not know\" where you do not.\n", 6), "file": strings.Repeat("iVBORw0KGgo", 1000),
	} {
		var buf []byte
		b.Run(name+"/jsonwrite", func(b *testing.B) {
			for b.Loop() {
				buf = jsonwrite.String(buf[:0], text)
			}
		})
		b.Run(name+"/jsontext", func(b *testing.B) {
			for b.Loop() {
				buf, _ = jsontext.AppendQuote(buf[:0], text)
			}
		})
	}
}
