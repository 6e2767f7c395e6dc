package refusal_test

import (
	"errors"
	"testing"

	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// picky is a value that refuses everything in words of its own.
type picky struct{}

func (*picky) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if err := d.SkipValue(); err != nil {
		return err
	}
	return errors.New("no such thing")
}

func TestUndecoded(t *testing.T) {
	t.Parallel()
	type body struct {
		List []struct {
			N int    `json:"n"`
			P *picky `json:"p"`
		} `json:"list"`
	}
	for _, tt := range []struct{ at, json, param, code, message string }{
		{"", `[]`, "", "", "The JSON body of your request must be an object."},
		{"", `{"list":[{"n":"x"}]}`, "list[0].n", "invalid_type", "Invalid type for 'list[0].n': got a string instead."},
		{"input[2]", `{"list":[{},{"n":true}]}`, "input[2].list[1].n", "invalid_type", "Invalid type for 'input[2].list[1].n': got a boolean instead."},
		{"input[2]", `7`, "input[2]", "invalid_type", "Invalid type for 'input[2]': got a number instead."},
		{"", `{"list":[{"p":1}]}`, "list[0].p", "invalid_type", "Invalid type for 'list[0].p': no such thing."},
		{"", `{"list":[{"n":1,"n":2}]}`, "list[0].n", "duplicate_parameter", "Duplicate parameter: 'list[0].n' is given more than once."},
		{"", `{"list":[{"n":1]`, "list", "", ""},
	} {
		var b body
		err := json.Unmarshal([]byte(tt.json), &b)
		got := refusal.Undecoded(tt.at, err)
		if got.Param != tt.param || got.Code != tt.code || got.Message == "" || tt.message != "" && got.Message != tt.message {
			t.Errorf("%s at %q: %+v of %v", tt.json, tt.at, *got, err)
		}
	}
	known := &llm.RequestError{Param: "p"}
	if got := refusal.Undecoded("at", &json.SemanticError{Err: known}); got != known {
		t.Errorf("a refusal becomes %+v", *got)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{"1": "", "3.0": "", "0": "integer_below_min_value", "-4": "integer_below_min_value", "1.5": "invalid_type", "1e12": "invalid_type"} {
		n, err := refusal.Count("n", jsonscan.Number, []byte(raw))
		switch {
		case want == "" && (err != nil || n < 1):
			t.Errorf("%s: %d, %v", raw, n, err)
		case want != "" && (err == nil || err.Code != want || err.Param != "n" || n != 0):
			t.Errorf("%s: %d, %v, want %s", raw, n, err, want)
		}
	}
	if n, err := refusal.Count("n", jsonscan.Null, []byte("null")); n != 0 || err != nil {
		t.Errorf("null is %d, %v", n, err)
	}
}
