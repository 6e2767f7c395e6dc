package proxy

import (
	"aihigress/internal/dialect/openai"
	"aihigress/internal/tokens"
)

// What a part of a prompt that is no text counts for in an estimate. A picture of high detail is some 1,100 tokens at
// OpenAI; a minute of sound is some 600.
const (
	imageTokens = 1100
	mediaTokens = 1500
)

// roughPrompt estimates the tokens of a request by a rule of thumb, on every call. It decides how much is held.
func roughPrompt(r *openai.Request) int64 {
	return max(tokens.Rough(r.TextBytes)+otherPrompt(r), 1)
}

// countPrompt estimates the tokens of a request by counting its text. It is for calls whose vendor tells nothing.
func countPrompt(r *openai.Request, body []byte) int64 {
	var text tokens.Text
	defer text.Reset()
	openai.PromptText(body, func(part []byte) { _, _ = text.Write(part) })
	return max(text.Tokens()+otherPrompt(r), 1)
}

// otherPrompt counts what is no text.
func otherPrompt(r *openai.Request) int64 {
	n := r.InputTokens + r.Images*imageTokens
	if r.HasAudio {
		n += mediaTokens
	}
	if r.HasFiles {
		n += mediaTokens
	}
	return n
}
