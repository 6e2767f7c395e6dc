package jsonread_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonread/readtest"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// Values of every type are read as package json reads them, with what it takes beside the usual too, or found odd.
func TestValues(t *testing.T) {
	t.Parallel()
	lenient := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	values := func(to *[]jsontext.Value, r *jsonread.Reader) { jsonread.List(to, r, jsonread.Value) }
	table := func(to *map[string]float64, r *jsonread.Reader) { jsonread.Map(to, r, jsonread.Float64) }
	option := func(to **string, r *jsonread.Reader) { jsonread.OptionalString(to, r) }
	checks := []readtest.Check{
		readtest.Of(0, jsonread.String), readtest.Of(jsonread.Small, jsonread.String), readtest.Of(0, jsonread.Bool), readtest.Of(0, jsonread.Float64),
		readtest.Of(0, jsonread.Int64), readtest.Of(0, jsonread.Int), readtest.Of(0, jsonread.Value), readtest.Of(jsonread.Repeats|jsonread.Small, jsonread.Value, lenient...),
		readtest.Of(0, values), readtest.Of(jsonread.Within, values), readtest.Of(0, table), readtest.Of(0, option),
	}
	plain := 0
	rapid.Check(t, func(t *rapid.T) {
		document := drawn(t, 3)
		for _, check := range checks {
			if check(t, []byte(document)) {
				plain++
			}
		}
	})
	if plain == 0 {
		t.Error("nothing is plain")
	}
}

// drawn is a value, or nearly one.
func drawn(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n\t", "\r"}).Draw(t, "space")
	switch n := rapid.IntRange(0, 7).Draw(t, "kind"); {
	case n < 2:
		text := `"`
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			text += rapid.SampledFrom([]string{"a", "plain words, é and 日本", `\n`, `\t`, `\"`, `\\`, `\/`, `\b\f\r`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `\ude00`, `\ud83d\u0041`, `\u12`, `\x`, "\xff", "\u2028",
				"\x7f", "\x01", strings.Repeat("long", 200)}).Draw(t, "piece")
		}
		return space + text + `"` + space
	case n == 2:
		return space + rapid.SampledFrom([]string{"0", "-0", "-1", "12", "1.5", "1e3", "1E+2", "0.1e-7", "9223372036854775807", "9223372036854775808", "1e999", "01", "1.", "-", "+1", "1e", ".5"}).Draw(t, "number")
	case n == 3:
		return rapid.SampledFrom([]string{"true", "false", "null", "nul", "True", "", "nulll"}).Draw(t, "literal") + space
	case n < 6 && depth > 0:
		var list []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			list = append(list, drawn(t, depth-1))
		}
		return "[" + space + strings.Join(list, ",") + rapid.SampledFrom([]string{"]", "]", "]", ",]", "}", ""}).Draw(t, "end")
	case depth > 0:
		var list []string
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			list = append(list, space+rapid.SampledFrom([]string{`"a"`, `"b"`, `"ab"`, `"é"`, `"\n"`, `""`, `a`}).Draw(t, "name")+space+":"+drawn(t, depth-1))
		}
		return "{" + space + strings.Join(list, ",") + rapid.SampledFrom([]string{"}", "}", "}", ",}", "]", ""}).Draw(t, "end")
	}
	return "1" + space
}

// What nests too deep, or has too many members to compare, is left to package json.
func TestBounds(t *testing.T) {
	t.Parallel()
	var value jsontext.Value
	read := func(document string) bool { return jsonread.Plain([]byte(document), &value, 0, jsonread.Value) }
	if !read(strings.Repeat("[", 100)+strings.Repeat("]", 100)) || read(strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)) {
		t.Error("the depth has no bound, or too small a one")
	}
	if many := `{` + strings.Repeat(`"a":1,`, 100_000) + `"b":1}`; read(many) {
		t.Error("names may be repeated")
	}
}

// Text that is kept has memory of its own, however many documents come after it.
func TestTextsStay(t *testing.T) {
	t.Parallel()
	var kept []string
	for i := range 10_000 {
		text, ok := jsonread.Text([]byte(`"` + strings.Repeat(string(rune('a'+i%26)), i%700) + `"`))
		if !ok {
			t.Fatal("odd")
		}
		kept = append(kept, text)
	}
	for i, text := range kept {
		if text != strings.Repeat(string(rune('a'+i%26)), i%700) {
			t.Fatalf("text %d became %s", i, text)
		}
	}
}

func FuzzValue(f *testing.F) {
	for _, document := range []string{`{"a":[1,"\u00e9\n",null,true,{}]}`, `"\ud83d\ude00"`, `[1.5e3,-0]`} {
		f.Add([]byte(document))
	}
	strict, text := readtest.Of(0, jsonread.Value), readtest.Of(0, jsonread.String)
	f.Fuzz(func(t *testing.T, document []byte) {
		strict(t, []byte(string(document)))
		text(t, document)
	})
}
