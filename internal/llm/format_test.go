package llm_test

import (
	"testing"

	"aihigress/internal/llm"
)

func TestFormatDescribed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ schema, want string }{
		{`{"type":"object"}`, `{"description":"a \"b\"","type":"object"}`},
		{` {}`, `{"description":"a \"b\""}`},
		{`{ }`, `{"description":"a \"b\""}`},
		{`{"description":"own"}`, `{"description":"own"}`},
		{`true`, `true`},
		{``, ``},
	} {
		f := llm.Format{Schema: llm.JSON(c.schema), Description: `a "b"`}
		if got := string(f.Described()); got != c.want {
			t.Errorf("%s became %s, want %s", c.schema, got, c.want)
		}
		f.Description = ""
		if got := string(f.Described()); got != c.schema {
			t.Errorf("%s became %s without a description", c.schema, got)
		}
	}
}
