package jsonscan

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// Text reads what reflection would, and leaves the decoder where it would.
func TestText(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"a", "plain words, é and 日本", `\n`, `\t`, `\"`, `\\`, `\/`, `\b\f\r`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, "\xff", "\u2028", "\x7f"})
	rapid.Check(t, func(t *rapid.T) {
		value := `"`
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			value += piece.Draw(t, "piece")
		}
		value += `"`
		if rapid.IntRange(0, 9).Draw(t, "other") == 0 {
			value = rapid.SampledFrom([]string{"null", "1", "{}", "[]", `"broken`, ""}).Draw(t, "value")
		}
		for _, lenient := range []bool{false, true} {
			read := func(how func(*jsontext.Decoder, *string) error) (string, bool, int64) {
				d, text := jsontext.NewDecoder(bytes.NewReader([]byte(value+" 7")), jsontext.AllowInvalidUTF8(lenient)), "before"
				err := how(d, &text)
				return text, err == nil, d.InputOffset()
			}
			want, fine, after := read(func(d *jsontext.Decoder, to *string) error { return json.UnmarshalDecode(d, to) })
			got, ok, at := read(Text)
			if ok != fine || fine && (got != want || at != after) {
				t.Fatalf("%s is %q, %v, up to %d; want %q, %v, up to %d", value, got, ok, at, want, fine, after)
			}
		}
	})
}
