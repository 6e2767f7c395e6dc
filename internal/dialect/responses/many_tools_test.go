package responses

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// TestManyVendorTools: tools that a vendor runs are read in a time that grows with their number alone.
func TestManyVendorTools(t *testing.T) {
	t.Parallel()
	const n = 100_000 // each looked for among those before it, they would take half a minute
	for _, one := range []string{`{"type":"x"}`, `{"type":"local_shell"}`} {
		body := `{"model":"m","input":"hi","tools":[` + strings.Repeat(one+",", n-1) + one + `]}`
		r, err := Dialect{}.DecodeRequest([]byte(body), dialect.At{})
		if err != nil || len(r.Tools) != n {
			t.Fatalf("%s: %v", one, err)
		}
		shells := 0
		for i := range r.Tools {
			if r.Tools[i].Vendor == "" && r.Tools[i].Name == localShell {
				shells++
			} else if r.Tools[i].Vendor != llm.Responses {
				t.Fatalf("tool %d is %+v", i, r.Tools[i])
			}
		}
		if want := strings.Count(one, "local_shell"); shells != want {
			t.Errorf("%s: %d tools of the shell, want %d", one, shells, want)
		}
	}
}

// TestLongNamespaces: what each tool of a group would have in its name has a bound.
func TestLongNamespaces(t *testing.T) {
	t.Parallel()
	for length, fine := range map[int]bool{maxNamespace: true, maxNamespace + 1: false} {
		body := `{"model":"m","input":"hi","tools":[{"type":"namespace","name":"` + strings.Repeat("n", length) + `","tools":[{"type":"function","name":"f"}]}]}`
		r, err := Dialect{}.DecodeRequest([]byte(body), dialect.At{})
		refused, _ := errors.AsType[*llm.RequestError](err)
		if fine && (err != nil || len(r.Tools) != 1) || !fine && (refused == nil || refused.Param != "tools[0].name") {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}
