package responses

import (
	"strconv"
	"testing"

	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// TestShownTools holds that tools that answers repeat are those that requests have, but for what a function says there.
func TestShownTools(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	functions := []llm.Tool{
		{Name: "plain", Schema: llm.JSON(`{"type" : "object",` + "\n" + `"properties":{"a":{"const":"\u0041"}}}`)},
		{Name: "a name that is none", Description: "says \"so\"", Strict: &yes},
		{Name: "loose", Schema: llm.JSON(`{}`), Strict: &no},
	}
	for _, tools := range [][]llm.Tool{
		nil, functions,
		append(functions[:3:3], llm.Tool{Name: "text", Grammar: llm.JSON(`{}`)}),
		append(functions[:3:3], llm.Tool{Name: "n__f", Namespace: llm.Namespace{Name: "n"}}, llm.Tool{Name: "n__g", Namespace: llm.Namespace{Name: "n"}, Grammar: llm.JSON(`{"type":"text"}`)}),
		append(functions[:3:3], llm.Tool{Vendor: llm.Responses, Type: "web_search", Raw: llm.JSON(`{"type" :"web_search"}`)}),
		append(functions[:3:3], shellTool([]byte(`{"type":"local_shell"}`)), llm.Tool{Vendor: llm.Gemini, Type: "googleSearch", Raw: llm.JSON(`{}`)}),
	} {
		for _, dialect := range []string{llm.Responses, llm.Anthropic} {
			r := &llm.Request{Dialect: dialect, Tools: tools}
			left := func(llm.Field) {}
			all := []toolShown{}
			for _, raw := range jsonscan.Elements(append(appendTools([]byte{'['}, r, left, appendTool), ']')) {
				all = append(all, toolShown(raw))
			}
			if got, want := "["+string(appendTools(nil, r, left, appendShown))+"]", string(marshal(all)); got != want {
				t.Errorf("for callers of %s\ngot  %s\nwant %s", dialect, got, want)
			}
		}
	}
}

// toolShown is a tool of a request as an answer repeats it.
type toolShown []byte

// MarshalJSON implements json.Marshaler.
func (t toolShown) MarshalJSON() ([]byte, error) {
	if typeOf([]byte(t)) != "function" {
		return t, nil
	}
	var f tool
	if err := json.Unmarshal(t, &f, upstreams); err != nil {
		return nil, err
	}
	b := appendOr([]byte(`{"type":"function","description":`), f.Description)
	b = appendString(append(b, `,"name":`...), f.Name)
	b = append(b, `,"parameters":`...)
	if f.Parameters == nil {
		b = append(b, "null"...)
	}
	b = append(append(b, f.Parameters...), `,"strict":`...)
	return append(strconv.AppendBool(b, f.Strict == nil || *f.Strict), '}'), nil
}
