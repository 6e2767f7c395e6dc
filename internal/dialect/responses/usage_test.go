package responses

import (
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// Counts are read as the scanner of whole answers finds them, or found odd.
func TestReadUsage(t *testing.T) {
	t.Parallel()
	plain := 0
	name := rapid.SampledFrom([]string{"input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details", "cached_tokens",
		"cache_write_tokens", "audio_tokens", "image_tokens", "reasoning_tokens", "input_tokens_details.cached_tokens", "", "cost", "c\\u0061ched_tokens"})
	var draw func(t *rapid.T, depth int) string
	draw = func(t *rapid.T, depth int) string {
		if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 && depth < 3 {
			return rapid.SampledFrom([]string{"0", "7", " 12 ", "1.5", "-1", "1e3", "1e400", "99999999999999999999", "5." + strings.Repeat("0", 80), "null", `"8"`, "true", "[1,2]", "\"\xff\""}).Draw(t, "value")
		}
		var members []string
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			members = append(members, `"`+name.Draw(t, "name")+`":`+draw(t, depth-1))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		raw := jsontext.Value(draw(t, 3))
		want := report{seen: true}
		if err := jsonscan.Check(usagePaths, raw, &want); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		got := report{seen: true, broken: true}
		if got.read(raw); got != want {
			t.Fatalf("%s is read as %+v, want %+v", raw, got, want)
		}
		if jsonread.Plain(raw, &got, jsonread.Within, (*report).readPlain) {
			plain++
		}
	})
	if plain == 0 {
		t.Error("nothing is plain")
	}
	before := report{seen: true, broken: true}
	for _, none := range []string{"", "null", "7", "[]"} {
		after := before
		if after.read(jsontext.Value(none)); after != before {
			t.Errorf("%q is a usage object", none)
		}
	}
}
