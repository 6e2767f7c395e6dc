package proxy

import (
	"aihigress/internal/dialect/openai"
	"aihigress/internal/upstream"
)

// rerank is the form that Jina and Cohere share.
var rerank = endpoint{dialect: reports(openai.Rerank, false, false), operation: upstream.Rerank, path: "/rerank", beside: true}
