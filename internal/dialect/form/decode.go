package form

import (
	"aihigress/internal/dialect/refusal"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads a caller's request into a struct with json tags. The error is an *llm.RequestError, which names the field
// that is of the wrong type or given twice.
func Decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return refusal.Undecoded("", err)
	}
	return nil
}

// Lenient are the options to read upstreams' answers with: names given twice and bytes that are not UTF-8 are taken as
// they come.
var Lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
