package proxy

import (
	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
	"aihigress/internal/upstream"
)

var (
	embeddings = endpoint{dialect: operates(dialects[llm.OpenAI], dialect.Embedder(openai.Embeddings{})), operation: upstream.Embed, path: "/embeddings",
		beside: true, others: map[string]translator{llm.Gemini: embedding(openai.Embeddings{}, gemini.Embeddings{})}}
	embedContent       = geminiEmbedding(upstream.Embed, "/models/{model}:embedContent")
	batchEmbedContents = geminiEmbedding(upstream.BatchEmbed, "/models/{model}:batchEmbedContents")
)

func geminiEmbedding(operation upstream.Operation, path string) endpoint {
	translate := embedding(gemini.Embeddings{}, openai.Embeddings{})
	return endpoint{dialect: operates(dialects[llm.Gemini], dialect.Embedder(gemini.Embeddings{})), operation: operation, path: path,
		beside: true, others: map[string]translator{llm.OpenAI: translate, llm.Responses: translate}}
}

// embedding translates embeddings. Gemini has an operation of its own for several texts at once.
func embedding(from, to dialect.Embedder) translator {
	_, batches := to.(gemini.Embeddings)
	locate := func(r *llm.EmbedRequest, _ string) upstream.Operation {
		if batches && len(r.Inputs) > 1 {
			return upstream.BatchEmbed
		}
		return upstream.Embed
	}
	usageOf := func(r *llm.EmbedResponse) (*llm.Usage, bool) { return &r.Usage, r.HasUsage }
	return between(decodes(from), from, to, locate, usageOf)
}
