// Package responses knows the OpenAI Responses dialect: requests, answers, streams and errors, as callers write and as
// upstreams do. Field names, items and events are those of OpenAI's OpenAPI description and of recorded exchanges.
package responses

import (
	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// Dialect is OpenAI Responses.
type Dialect struct{}

var _ dialect.Dialect = Dialect{}

// Name implements dialect.Dialect.
func (Dialect) Name() string { return llm.Responses }
