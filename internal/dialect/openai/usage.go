package openai

import (
	"math"
	"strconv"

	"aihigress/internal/llm"
)

// report is a usage object as vendors of this dialect write it, before it is made sense of.
type report struct {
	seen   bool   // there was an object
	broken bool   // a count was negative, absurd or no number
	fields uint16 // which counts were given, by 1 << reportField

	counts [reportFields]int64
}

type reportField uint8

const (
	promptTokens reportField = iota
	completionTokens
	totalTokens
	cachedTokens
	cacheWriteTokens
	audioInput
	reasoningTokens
	audioOutput
	cacheHitTokens // DeepSeek's name for cached tokens
	reportFields
)

func (r *report) has(f reportField) bool { return r.fields&(1<<f) != 0 }

// set takes a count from the text of a JSON number.
func (r *report) set(f reportField, raw []byte) {
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > llm.MaxTokens {
		r.broken = true
		return
	}
	r.counts[f] = int64(n)
	r.fields |= 1 << f
}

// usage makes sense of the report. Credible is false where it is missing, has nothing in it or has counts that cannot be,
// and the caller should estimate. Odd is true where counts contradict each other or cannot be.
//
// OpenAI, DeepSeek, Mistral, Groq and OpenRouter count cached tokens within prompt_tokens and reasoning within
// completion_tokens. xAI counts reasoning beside completion_tokens, which shows in the total.
func (r *report) usage() (u llm.Usage, credible, odd bool) {
	if !r.seen || r.broken {
		return llm.Usage{}, false, r.broken
	}
	c := &r.counts
	prompt, output, total := c[promptTokens], c[completionTokens], c[totalTokens]
	if !r.has(completionTokens) && total > prompt && r.has(promptTokens) {
		output = total - prompt
	}
	reasoning := c[reasoningTokens]
	if reasoning > 0 && (reasoning > output || total == prompt+output+reasoning) {
		output += reasoning
	}
	cached := max(c[cachedTokens], c[cacheHitTokens])
	write := c[cacheWriteTokens]
	if cached+write > prompt { // never charge more input than there was
		odd = true
		cached = min(cached, prompt)
		write = min(write, prompt-cached)
	}
	u = llm.Usage{
		Input:        prompt - cached - write,
		CachedInput:  cached,
		CacheWrite5m: write,
		Output:       output,
		Reasoning:    reasoning,
		AudioInput:   min(c[audioInput], prompt-cached-write),
		AudioOutput:  c[audioOutput],
	}
	u, clamped := u.Clamp()
	return u, !u.IsZero(), odd || clamped
}
