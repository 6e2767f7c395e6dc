package reqid_test

import (
	"strings"
	"testing"

	"aihigress/internal/reqid"
)

func TestContextCarriesTheID(t *testing.T) {
	t.Parallel()
	if got := reqid.From(t.Context()); got != "" {
		t.Errorf("without an id: %q", got)
	}
	ctx := reqid.With(t.Context(), "req-1")
	if got := reqid.From(ctx); got != "req-1" {
		t.Errorf("got %q", got)
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"a":                      true,
		"req_01HV:6z.c-w0":       true,
		strings.Repeat("x", 128): true,
		"":                       false,
		strings.Repeat("x", 129): false,
		"two words":              false,
		"line\nbreak":            false,
		"carriage\rreturn":       false,
		"nul\x00":                false,
		"ümlaut":                 false,
		"quote\"":                false,
		"semi;colon":             false,
		"00-4bf92f3577b34da6-01": true,
		"urn:uuid:6e8bc430-9c3a": true,
		"slash/path":             false,
	} {
		if got := reqid.Valid(id); got != want {
			t.Errorf("Valid(%q) = %v, want %v", id, got, want)
		}
	}
}
