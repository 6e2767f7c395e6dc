package llm

import (
	"errors"
	"testing"
)

func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		r    Request
		to   string
		want Field
	}{
		{"a request that stands alone", Request{Dialect: Responses}, Anthropic, ""},
		{"goes on from an answer", Request{Dialect: Responses, Previous: "resp_1"}, Gemini, FieldPrevious},
		{"at home", Request{Dialect: Responses, Previous: "resp_1", Bound: []string{"background"}}, Responses, ""},
		{"in the background", Request{Dialect: Responses, Bound: []string{"background", "prompt"}}, OpenAI, "extra:background"},
	} {
		err := c.r.Elsewhere(c.to)
		var refused *RequestError
		if errors.As(err, &refused) != (c.want != "") {
			t.Errorf("%s: %v", c.name, err)
		} else if refused != nil && Field(refused.Param) != c.want {
			t.Errorf("%s: %s, want %s", c.name, refused.Param, c.want)
		}
	}
}
