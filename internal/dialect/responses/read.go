package responses

import (
	"aihigress/internal/dialect/jsonread"

	"github.com/go-json-experiment/json/jsontext"
)

//go:generate go run ../readgen request event item tool answerHead

// reset makes all of it empty and keeps the memory of values.
func (e *event) reset() {
	*e = event{Logprobs: e.Logprobs[:0], Annotation: e.Annotation[:0], Item: e.Item[:0], Response: e.Response[:0], Error: e.Error[:0]}
}

// reader reads items and parts that are as nearly all of them are, within a body that was validated as a whole and of which
// they keep the memory. Where it says false the value has to be read with package json, which takes several times as long
// and knows what is wrong.
type reader struct {
	list []part // memory for parts, used again
}

// item reads an item whose fields are of the right types.
func (rd *reader) item(raw jsontext.Value, it *item) bool {
	return jsonread.Plain(raw, it, jsonread.Within, (*item).readPlain)
}

// parts reads a list of parts, in memory that is given.
func (rd *reader) parts(all []part, raw jsontext.Value) ([]part, bool) {
	ok := raw.Kind() == '[' && jsonread.Plain(raw, &all, jsonread.Within, readParts)
	return all, ok
}

func readParts(to *[]part, r *jsonread.Reader) { jsonread.List(to, r, (*part).readPlain) }
