package llm

import "testing"

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "*** Begin Patch\n\"x\"\n", "{}", "\xff"} {
		want := text
		if text == "\xff" {
			want = "\ufffd"
		}
		if got := Unwrap(Wrap(text)); got != want {
			t.Errorf("%q came back as %q", text, got)
		}
	}
	for _, odd := range []string{`{"input":"broken o`, `{"a":"x","b":"y"}`, `{"input":1}`, ``, `[]`} {
		if got := Unwrap(odd); got != odd {
			t.Errorf("%q became %q", odd, got)
		}
	}
	if got := Unwrap(`{"patch":"x"}`); got != "x" {
		t.Errorf("another name: %q", got)
	}
}

func TestInWords(t *testing.T) {
	t.Parallel()
	for _, grammar := range []JSON{
		JSON(`{"type":"grammar","syntax":"lark","definition":"start: A"}`),
		JSON(`{"type":"grammar","grammar":{"syntax":"lark","definition":"start: A"}}`),
	} {
		got, plain := (&Tool{Description: "Edits.", Grammar: grammar}).InWords()
		if want := "Edits.\n\nThe input must follow this lark grammar:\nstart: A"; got != want || plain {
			t.Errorf("got %q, %v", got, plain)
		}
	}
	if got, plain := (&Tool{Description: "Edits.", Grammar: JSON(`{"type":"text"}`)}).InWords(); got != "Edits." || !plain {
		t.Errorf("got %q, %v", got, plain)
	}
}
