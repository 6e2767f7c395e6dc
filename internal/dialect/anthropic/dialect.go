// Package anthropic is the Anthropic Messages dialect: what to read and change in a request that passes through, how to
// read usage, errors and progress out of answers that pass by, and the translation of requests, answers and streams to
// and from the neutral model. It does no network.
package anthropic

import (
	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// Dialect is Anthropic Messages. The zero value is ready.
type Dialect struct{}

// Name implements dialect.Dialect.
func (Dialect) Name() string { return llm.Anthropic }

var _ dialect.Dialect = Dialect{}
