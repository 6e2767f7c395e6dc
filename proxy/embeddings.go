package proxy

import (
	"fmt"
	"slices"

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

const (
	// geminiBatch is how many texts one batchEmbedContents takes (ai.google.dev, "Embeddings").
	geminiBatch = 100
	// maxCalls is how many calls of a vendor one request may make.
	maxCalls = 100
)

// embedding translates embeddings. What is more than the target takes at once goes to it in several calls, one after
// the other.
func embedding(from, to dialect.Embedder) translator {
	_, google := to.(gemini.Embeddings)
	return func(c *call, w *way) error {
		request, err := from.Decode(c.body.bytes, c.at)
		if err != nil {
			return err
		}
		operation, most := upstream.Embed, len(request.Inputs)
		if google {
			operation, most = c.embedsBy(w, len(request.Inputs))
		}
		if err := w.locate(operation); err != nil {
			return err
		}
		parts := split(request, most)
		if len(parts) > maxCalls {
			return &llm.RequestError{Param: "input", Code: "array_above_max_length",
				Message: fmt.Sprintf("Invalid 'input': this model takes at most %d texts a request.", maxCalls*most)}
		}
		t := dialect.Target{Model: w.route.UpstreamID, Host: w.route.Provider.BaseURL.Hostname()}
		bodies := make([][]byte, len(parts))
		var dropped []llm.Field // of all alike
		for i := range parts {
			if bodies[i], dropped, err = to.Encode(&parts[i], t); err != nil {
				return c.inWords(err)
			}
		}
		if err := c.tolerates(dropped); err != nil {
			return err
		}
		w.body, w.dropped = [][]byte{bodies[0]}, c.worded(dropped)
		w.reply = func(answer []byte, another func([]byte) ([]byte, error)) ([]byte, llm.Usage, error) {
			all := llm.EmbedResponse{HasUsage: true}
			for i := range parts {
				if i > 0 {
					if answer, err = another(bodies[i]); err != nil {
						return nil, llm.Usage{}, err
					}
				}
				if err := add(&all, to, answer, t, len(parts[i].Inputs)); err != nil {
					return nil, llm.Usage{}, err
				}
			}
			if !all.HasUsage {
				all.Usage = llm.Usage{Input: c.promptCount(), Estimated: true}
			}
			return from.EncodeResponse(&all, request), all.Usage, nil
		}
		return nil
	}
}

// embedsBy is Google's operation for so many texts, and how many of them it takes. Vertex takes them one by one.
func (c *call) embedsBy(w *way, texts int) (_ upstream.Operation, most int) {
	if _, err := upstream.Locate(w.route.Provider, upstream.BatchEmbed, w.route.UpstreamID, false); err != nil || texts == 1 {
		return upstream.Embed, 1
	}
	return upstream.BatchEmbed, geminiBatch
}

// split makes requests of at most so many texts each of one, all about as large: none is left with a single text that could
// have been one of several.
func split(r *llm.EmbedRequest, most int) []llm.EmbedRequest {
	calls := (len(r.Inputs) + most - 1) / most
	var parts []llm.EmbedRequest
	for inputs := range slices.Chunk(r.Inputs, (len(r.Inputs)+calls-1)/calls) {
		part := *r
		part.Inputs = inputs
		parts = append(parts, part)
	}
	return parts
}

// add reads the answer to a part of a request, which has a vector for each text.
func add(all *llm.EmbedResponse, from dialect.Embedder, answer []byte, t dialect.Target, texts int) error {
	r, err := from.DecodeResponse(answer, t)
	if err != nil {
		return err
	}
	if len(r.Vectors) != texts {
		return fmt.Errorf("%w: %d vectors for %d texts", dialect.ErrMalformed, len(r.Vectors), texts)
	}
	all.Model, all.Vectors = r.Model, append(all.Vectors, r.Vectors...)
	all.Usage.Input += r.Usage.Input
	all.Usage.CachedInput += r.Usage.CachedInput
	all.Usage.Output += r.Usage.Output
	all.HasUsage = all.HasUsage && r.HasUsage
	return nil
}
