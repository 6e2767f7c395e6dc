package graph

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	h := open(t)
	deep := func(n int) string {
		return "{ viewer " + strings.Repeat("{ creditAccount { user ", n) + "{ id }" + strings.Repeat("} }", n) + " }"
	}
	aliases := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "a%d: __typename ", i)
		}
		return "{ " + b.String() + "}"
	}
	// Each fragment spreads the next one twice: 2^n fields from n lines.
	bomb := func(n int) string {
		var b strings.Builder
		b.WriteString("{ ...f0 } ")
		for i := range n {
			fmt.Fprintf(&b, "fragment f%d on Query { ...f%d ...f%d } ", i, i+1, i+1)
		}
		fmt.Fprintf(&b, "fragment f%d on Query { __typename }", n)
		return b.String()
	}
	for name, c := range map[string]struct{ query, code string }{
		"a depth that is allowed":  {deep(6), ""},
		"too deep":                 {deep(8), "DEPTH_LIMIT_EXCEEDED"},
		"aliases that are allowed": {aliases(maxAliases), ""},
		"too many aliases":         {aliases(maxAliases + 1), "ALIAS_LIMIT_EXCEEDED"},
		"aliases in a fragment spread often": {
			"{ " + strings.Repeat("...f ", 16) + "} fragment f on Query { a: __typename b: __typename }", "ALIAS_LIMIT_EXCEEDED"},
		"fragments that multiply": {bomb(30), "FIELD_LIMIT_EXCEEDED"},
		"many more":               {bomb(200), "FIELD_LIMIT_EXCEEDED"},
		"a page of large pages":   {`{ providers(first: 100) { nodes { models { id upstreamId alias inputPrice outputPrice enabled priceSource contextTokens maxOutputTokens capabilities } } } }`, "COMPLEXITY_LIMIT_EXCEEDED"},
		"the same, smaller":       {`{ providers(first: 20) { nodes { models { id upstreamId alias inputPrice outputPrice enabled priceSource contextTokens maxOutputTokens capabilities } } } }`, ""},
		"a page of requests":      {"{ requests(first: 100) { nodes" + requestFields + " } }", ""},
		"too many words":          {"{ " + strings.Repeat("__typename ", maxTokens) + "}", "GRAPHQL_PARSE_FAILED"},
		"fragments in a circle":   {"{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }", "GRAPHQL_VALIDATION_FAILED"},
		"defer":                   {"{ ... @defer { viewer { id } } }", "DEFER_UNSUPPORTED"},
		"defer in a fragment":     {"{ ...f } fragment f on Query { ... on Query @defer { viewer { id } } }", "DEFER_UNSUPPORTED"},
		"a subscription of two":   {"subscription { liveMetrics { at } requestLogged { id } }", "GRAPHQL_VALIDATION_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			got := h.ask(h.admin.token, c.query, nil).Get("errors.0.extensions.code").String()
			if got != c.code {
				t.Errorf("the code is %q, want %q", got, c.code)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestIntrospectionFits sends what GraphiQL sends.
func TestIntrospectionFits(t *testing.T) {
	t.Parallel()
	h := open(t)
	raw, err := os.ReadFile("testdata/introspection.graphql")
	if err != nil {
		t.Fatal(err)
	}
	answer := h.data("", string(raw), nil)
	h.same("the query type", answer.Get("__schema.queryType.name"), "Query")
	if n := len(answer.Get("__schema.types").Array()); n < 100 {
		t.Errorf("there are %d types", n)
	}
}

func TestLargeDocumentsAreNotKept(t *testing.T) {
	t.Parallel()
	h := open(t)
	small, large := "{ __typename }", "{ __typename } # "+strings.Repeat("x", maxDocument)
	for _, query := range []string{small, large} {
		if _, _, errs := h.door.prepare(t.Context(), must(bodyParams([]byte(fmt.Sprintf("{%q:%q}", "query", query)), http.Header{}))(t)); errs != nil {
			t.Fatal(errs)
		}
	}
	d := newDocuments()
	d.Add(t.Context(), small, nil)
	d.Add(t.Context(), large, nil)
	if _, kept := d.Get(t.Context(), small); !kept {
		t.Error("the small document was not kept")
	}
	if _, kept := d.Get(t.Context(), large); kept {
		t.Error("the large document was kept")
	}
}
