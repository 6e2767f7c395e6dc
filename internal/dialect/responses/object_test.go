package responses

import (
	"testing"

	"aihigress/internal/llm"
)

// TestShownTools holds that tools that are written by hand are as those that are not.
func TestShownTools(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	functions := []llm.Tool{
		{Name: "plain", Schema: llm.JSON(`{"type" : "object",` + "\n" + `"properties":{"a":{"const":"\u0061"}}}`)},
		{Name: "a name that is none", Description: "says \"so\"", Strict: &yes},
		{Name: "loose", Schema: llm.JSON(`{}`), Strict: &no},
	}
	for _, tools := range [][]llm.Tool{
		nil, functions,
		append(functions[:3:3], llm.Tool{Name: "text", Grammar: llm.JSON(`{}`)}),
		append(functions[:3:3], llm.Tool{Name: "n__f", Namespace: llm.Namespace{Name: "n"}}),
		append(functions[:3:3], llm.Tool{Vendor: llm.Responses, Type: "web_search", Raw: llm.JSON(`{"type":"web_search"}`)}),
	} {
		for _, dialect := range []string{llm.Responses, llm.Anthropic} {
			r := &llm.Request{Dialect: dialect, Tools: tools}
			if got, want := string(appendShown(nil, r)), string(marshal(shown(r))); got != want {
				t.Errorf("for callers of %s\ngot  %s\nwant %s", dialect, got, want)
			}
		}
	}
}
