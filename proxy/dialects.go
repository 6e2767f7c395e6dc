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
	llm.OpenAI: struct {
		openai.Dialect
		codec
	}{},
	llm.Responses: struct {
		responses.Dialect
		codec
	}{},
	llm.Anthropic: struct {
		anthropic.Dialect
		codec
	}{},
	llm.Gemini: struct {
		gemini.Dialect
		codec
	}{},
}

// codec is what a dialect that only passes through does not have.
type codec struct{ dialect.Dialect }
