package jsonscan_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonscan"
)

// learned is the shape of a document.
func learned(t *testing.T, document string) *jsonscan.Shape {
	t.Helper()
	var s jsonscan.Scanner
	shape := &jsonscan.Shape{}
	s.Init(places, &recorder{})
	shape.Learn(&s, &jsonscan.Roles{idRoot: jsonscan.Alike, idA: jsonscan.Alike, idText: jsonscan.Told})
	if _, err := s.Write([]byte(document)); err != nil {
		t.Fatal(err)
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	shape.Learned([]byte(document))
	return shape
}

func TestAlike(t *testing.T) {
	t.Parallel()
	const document = `{"a":"kept","n":12,"choices":{"text":"some text"},"free":"free" ,"empty":""}`
	escaped := strings.NewReplacer(`"free" `, `"fr\"ee" `, "some", `\u0073ome`).Replace(document) // what a hole held before is all the same
	for _, tt := range []struct{ name, old, new, text string }{
		{name: "the same", text: "some text"},
		{"another text", "some text", "é", "é"},
		{"a number that nobody asked for", "12", "0", "some text"},
		{"a string that nobody asked for", `"free" `, `"" `, "some text"},
		{"a string where one was empty", `""`, `"x"`, "some text"},
		{"white space behind a value", ` ,`, " \n  ,", "some text"},
		{"no white space behind a value", ` ,`, ",", "some text"},
	} {
		text := ""
		like := strings.Replace(document, tt.old, tt.new, 1)
		shape := learned(t, escaped)
		if !shape.Match([]byte(like), func(part []byte) { text += string(part) }) || text != tt.text {
			t.Errorf("%s: %q", tt.name, text)
		}
		if !shape.Match([]byte(like), nil) {
			t.Errorf("%s: not a second time", tt.name)
		}
	}
	for name, change := range map[string][2]string{
		"an empty text":                       {"some text", ""},
		"an escape in a text":                 {"some text", `\"`},
		"a control character":                 {"some text", "\x00"},
		"an escape in another string":         {`"free" `, `"fr\nee" `},
		"another string that was asked for":   {"kept", "lost"},
		"another key":                         {`"n"`, `"m"`},
		"a zero in front":                     {"12", "012"},
		"no number":                           {"12", ""},
		"a fraction":                          {"12", "1.2"},
		"a minus":                             {"12", "-1"},
		"a null for a number":                 {"12", "null"},
		"white space behind a key":            {`"n":`, `"n" :`},
		"white space before a value":          {`"n":`, `"n": `},
		"white space behind all":              {`""}`, `""} `},
		"one that ends early":                 {`,"empty":""}`, ""},
		"one more value":                      {`""}`, `"","b":1}`},
		"a text of two":                       {"some text", `x","y":"z`},
		"a byte order mark, as bytes, behind": {`""}`, "\"\"}\ufeff"},
	} {
		like := strings.Replace(document, change[0], change[1], 1)
		if learned(t, escaped).Match([]byte(like), func([]byte) { t.Errorf("%s: a text was told", name) }) {
			t.Errorf("%s: taken for alike", name)
		}
	}
}

// What cannot be learned is like nothing, even itself.
func TestUnlike(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"nothing differs":      `{"a":null}`,
		"an unlike place":      `{"list":["x"],"choices":{"text":"x"}}`,
		"too many values":      `{"b":[` + strings.Repeat(`1,`, 16) + `1]}`,
		"too much is the same": `{"` + strings.Repeat("k", 2100) + `":1}`,
	} {
		if learned(t, document).Match([]byte(document), nil) {
			t.Errorf("%s: was learned", name)
		}
	}
	if (&jsonscan.Shape{}).Match(nil, nil) {
		t.Error("the zero shape is like something")
	}
}
