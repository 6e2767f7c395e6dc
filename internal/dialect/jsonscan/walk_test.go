package jsonscan_test

import (
	"bytes"
	"testing"

	"aihigress/internal/dialect/jsonscan"

	"github.com/go-json-experiment/json/jsontext"
)

// walked writes a value from what a walk of it gives, without spaces.
func walked(dst, v []byte) []byte {
	switch v[0] {
	case '{':
		dst = append(dst, '{')
		for name, value := range jsonscan.Members(v) {
			dst = append(walked(append(append(dst, name...), ':'), value), ',')
		}
		return append(bytes.TrimSuffix(dst, []byte(",")), '}')
	case '[':
		dst = append(dst, '[')
		for _, value := range jsonscan.Elements(v) {
			dst = append(walked(dst, value), ',')
		}
		return append(bytes.TrimSuffix(dst, []byte(",")), ']')
	}
	return append(dst, v...)
}

var walks = []string{
	`{}`, `[]`, ` [ ] `, `{"a":1,"b":[true,null,-1.5e3],"c":{"d":"x"}}`, "\n{ \"a\" : \"\\\\\" ,\t\"b\\\"\" : [ [ ] , { } ] }\r",
	`["\"","\\\"\\",",]}",{"]":"["}]`, `[[[[1]]],"a"]`, `7`, `"{"`, `null`,
}

func TestWalk(t *testing.T) {
	t.Parallel()
	for _, text := range walks {
		want := jsontext.Value(text)
		if err := want.Format(jsontext.PreserveRawStrings(true)); err != nil {
			t.Fatal(err)
		}
		if got := walked(nil, bytes.TrimSpace([]byte(text))); string(got) != string(want) {
			t.Errorf("%s was walked as %s", text, got)
		}
	}
	for name, value := range jsonscan.Members([]byte(`["a"]`)) {
		t.Errorf("a list has the member %s: %s", name, value)
	}
	for i, value := range jsonscan.Elements([]byte(`{"a":1}`)) {
		t.Errorf("an object has the element %d: %s", i, value)
	}
}

// FuzzWalk holds that a walk gives all of what is valid, and ends whatever it is given.
func FuzzWalk(f *testing.F) {
	for _, text := range walks {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"a"`))
	f.Add([]byte(`{"a":`))
	f.Add([]byte(`["a\`))
	f.Add([]byte(`[}`))
	f.Fuzz(func(t *testing.T, v []byte) {
		for range jsonscan.Members(v) {
		}
		for range jsonscan.Elements(v) {
		}
		want := jsontext.Value(bytes.Clone(v))
		if want.Format(jsontext.PreserveRawStrings(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
			return
		}
		if got := walked(nil, bytes.TrimSpace(v)); string(got) != string(want) {
			t.Errorf("%s was walked as %s", v, got)
		}
	})
}
