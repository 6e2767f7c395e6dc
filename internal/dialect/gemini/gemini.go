// Package gemini knows Google's generateContent dialect, as the Gemini API and Vertex AI speak it: what to read of a
// request that passes through and how to change it in place, how to read usage, errors and progress out of an answer that
// goes by, and the codec between its wire form and the neutral model of llm. It does no network.
//
// Its JSON is protobuf's: keys may be spelt in camelCase or snake_case, a repeated field may be given as its only element,
// integers and floats as strings, and enums as numbers. Requests are read in all of these forms; what is written is
// camelCase.
package gemini

import (
	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// Dialect is the Gemini dialect. The model's name and whether to stream stand in the address (dialect.At).
type Dialect struct{}

var _ dialect.Dialect = Dialect{}

// Name is llm.Gemini.
func (Dialect) Name() string { return llm.Gemini }

// KeepAlive is an empty block between events. It is no comment, which genai-go takes for a broken chunk, and no event
// without candidates, which programs trip over. Half of it would spoil the event that follows.
func (Dialect) KeepAlive() []byte { return []byte("\n\n") }

// maxModel is how long a model's name may be, in bytes.
const maxModel = 512

// maxName is how much is kept of other names, in bytes.
const maxName = 256

// snake is how protobuf spells a camelCase name otherwise.
func snake(camel string) string {
	b := make([]byte, 0, len(camel)+4)
	for i := range len(camel) {
		if c := camel[i]; 'A' <= c && c <= 'Z' {
			b = append(b, '_', c|0x20)
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
