package proxy

import (
	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
)

// dialects are the vendor APIs by the names that providers are configured with.
var dialects = map[string]dialect.Dialect{
	llm.OpenAI:    openai.Dialect{},
	llm.Responses: responses.Dialect{},
	llm.Anthropic: anthropic.Dialect{},
	llm.Gemini:    gemini.Dialect{},
}
