// Package llm is the neutral model that dialects translate to and from: requests, responses, the events of a stream,
// usage and errors. It knows no vendor. Every dialect is one codec between its own wire form and this one, so that any
// caller reaches any upstream through it, and a further dialect costs one package.
//
// What a model says is a list of blocks: text, thinking, tool calls, tool results, media, refusals, and opaque ones that
// only the vendor that made them understands. A stream builds the same blocks by events that carry a block's index.
package llm

import "github.com/go-json-experiment/json/jsontext"

// Dialects, by the names that the configuration and the contract use.
const (
	OpenAI    = "openai"    // OpenAI chat completions
	Responses = "responses" // OpenAI Responses
	Anthropic = "anthropic" // Anthropic Messages
	Gemini    = "gemini"    // Gemini generateContent
)

// JSON is a value that is passed on as it stands. It is valid JSON or empty.
type JSON = jsontext.Value
