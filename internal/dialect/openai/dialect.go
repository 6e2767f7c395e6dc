// Package openai is the dialect of OpenAI's chat completions, as OpenAI speaks it and the many vendors that followed.
//
// What passes through is scanned, patched and watched without being decoded; what is translated goes through the wire
// structs of this package to the neutral model and back. What vendors do differently is told by the upstream's host name
// where a request is written (see vendor), and taken in any form where an answer is read.
package openai

import (
	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// Dialect is OpenAI chat completions.
type Dialect struct{}

// Name implements dialect.Dialect.
func (Dialect) Name() string { return llm.OpenAI }

// done is the data of the event that ends a stream.
const done = "[DONE]"

// KeepAlive implements dialect.Dialect: a comment, which clients drop.
func (Dialect) KeepAlive() []byte { return []byte(": keep-alive\n\n") }

var _ dialect.Watch = (*watch)(nil)
