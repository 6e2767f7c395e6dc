package upstream

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

func TestClaudeCLIHeaders(t *testing.T) {
	t.Parallel()
	ours := claudeHeader.Clone()
	with := func(change http.Header) http.Header {
		h := ours.Clone()
		for name, values := range change {
			h[name] = values
		}
		return h
	}
	for name, tc := range map[string]struct{ in, want http.Header }{
		"nothing": {http.Header{}, ours},
		"another SDK": {
			http.Header{"User-Agent": {"Anthropic/Python 1.0"}, "X-Stainless-Lang": {"python"}, "X-Stainless-Async": {"false"}, "X-Request-Id": {"r"},
				"Anthropic-Beta": {"files-api-2025-04-14, effort-2025-11-24"}},
			with(http.Header{"X-Request-Id": {"r"}, "Anthropic-Beta": {ours.Get("Anthropic-Beta") + ",files-api-2025-04-14"}}),
		},
		"Claude Code": {
			http.Header{"User-Agent": {"claude-cli/3.0.0 (external, cli)"}, "X-Stainless-Lang": {"js"}, "X-Stainless-Async": {"x"}, "Anthropic-Beta": {"claude-code-20250219"}},
			with(http.Header{"User-Agent": {"claude-cli/3.0.0 (external, cli)"}, "X-Stainless-Async": {"x"}, "Anthropic-Beta": {"claude-code-20250219"}}),
		},
	} {
		asClaudeCLI(tc.in)
		if diff := cmp.Diff(tc.want, tc.in); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(ours, claudeHeader); diff != "" {
		t.Errorf("the shared header was changed:\n%s", diff)
	}
}

func TestClaudeCLICall(t *testing.T) {
	t.Parallel()
	var got *http.Request
	c, p := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r })
	p.Kind, p.Dialect = provider.KindClaudeCLI, "anthropic"
	p.Headers = http.Header{"User-Agent": {"claude-cli/9.9.9 (external, cli)"}}
	a, err := Locate(p, Generate, "claude-x", true)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Do(t.Context(), Call{Provider: p, Key: &snapshot.ProviderKey{Secret: secret.NewText("relay key")}, Path: a.Path, Query: a.Query})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if got.RequestURI != "/v1/messages?beta=true" || got.Header.Get("Authorization") != "Bearer relay key" || got.Header.Get("X-Api-Key") != "" ||
		got.Header.Get("X-App") != "cli" || got.Header.Get("User-Agent") != "claude-cli/9.9.9 (external, cli)" {
		t.Errorf("%s %v", got.RequestURI, got.Header)
	}
}
