package jsonscan_test

import (
	"math"
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonscan"
)

func TestWhole(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{"0": 0, "-0": 0, "7": 7, "1.0": 1, "2e3": 2000, "2147483647": math.MaxInt32, "-1e300": math.MinInt32} {
		if n, ok := jsonscan.Whole([]byte(raw)); !ok || n != want {
			t.Errorf("%s is %d, %t, want %d", raw, n, ok, want)
		}
	}
	for _, raw := range []string{"", "1.5", "2147483648", "1e400", "NaN", "Inf", "x"} {
		if n, ok := jsonscan.Whole([]byte(raw)); ok {
			t.Errorf("%q is taken for %d", raw, n)
		}
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	kept := []byte("ab")
	for _, part := range []string{"c", "", "defg", "h"} {
		kept = jsonscan.Keep(kept, []byte(part), 5)
	}
	if string(kept) != "abcde" {
		t.Errorf("kept %q", kept)
	}
	if got := jsonscan.Keep(kept, []byte("x"), 3); string(got) != "abcde" {
		t.Errorf("a smaller limit makes it %q", got)
	}
}

func TestPassAndCheck(t *testing.T) {
	t.Parallel()
	isText := func(id jsonscan.ID) bool { return id == idA }
	isRaw := func(id jsonscan.ID, kind jsonscan.Kind) bool { return id == idElement && kind == jsonscan.Object }
	for document, want := range map[string]string{
		`{"a":"x\ny","list":[1,{"b": 2},null],"z":"no"}`: "x\ny|{\"b\": 2}",
		`{"a":"x","list":[{"b":`:                         "x",
		`{"list":[{}]`:                                   "{}",
		``:                                               "",
	} {
		var passed []string
		jsonscan.Pass(places, []byte(document), func(part []byte) { passed = append(passed, string(part)) }, isText, isRaw)
		got := strings.ReplaceAll(strings.Join(passed, "|"), "x|\n|y", "x\ny") // pieces end at escapes
		if got != want {
			t.Errorf("%s: %q, want %q", document, got, want)
		}
		err := jsonscan.Check(places, []byte(document), &jsonscan.Passer{})
		if whole := strings.HasSuffix(document, `"no"}`); (err == nil) != whole {
			t.Errorf("%s: checked with %v", document, err)
		}
	}
}
