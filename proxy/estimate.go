package proxy

import (
	"aihigress/internal/dialect"
	"aihigress/internal/tokens"
)

// What a part of a prompt that is no text counts for in an estimate. A picture of high detail is some 1,100 tokens at
// OpenAI; a minute of sound is some 600. A message there has a role and three marks, and the answer begins with three.
const (
	imageTokens   = 1100
	mediaTokens   = 1500
	messageTokens = 4
	answerTokens  = 3
)

// denseBytes is how many bytes of text a token has at the least, but for texts that nobody writes: digits, base64 and
// Chinese in old vocabularies come near it.
const denseBytes = 2

// roughPrompt estimates the tokens of a request by a rule of thumb, on every call.
func roughPrompt(r *dialect.Facts) int64 {
	return max(tokens.Rough(r.TextBytes)+otherPrompt(r), 1)
}

// densePrompt is how many tokens a request hardly exceeds. It decides how much is held.
func densePrompt(r *dialect.Facts) int64 {
	return max((r.TextBytes+denseBytes-1)/denseBytes+otherPrompt(r), 1)
}

// countPrompt estimates the tokens of a request by counting its text. It is for calls whose vendor tells nothing.
func countPrompt(s dialect.Scanned, body []byte) int64 {
	var text tokens.Text
	defer text.Reset()
	s.PromptText(body, func(part []byte) { _, _ = text.Write(part) })
	return max(text.Tokens()+otherPrompt(s.Facts()), 1)
}

// otherPrompt counts what is no text.
func otherPrompt(r *dialect.Facts) int64 {
	n := r.InputTokens + r.Images*imageTokens + r.Media*mediaTokens + r.Messages*messageTokens
	if r.Messages > 0 {
		n += answerTokens
	}
	return n
}
