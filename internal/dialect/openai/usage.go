package openai

import (
	"strconv"

	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

// report is a usage object as vendors of this dialect write it, before it is made sense of.
type report struct {
	seen   bool   // there was an object
	broken bool   // a count was negative, absurd or no number
	shrunk bool   // it tells of less than one before
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
	imageInput
	imageOutput
	reportFields
)

// reportNames are the counts within a usage object.
var reportNames = map[string]reportField{
	"prompt_tokens":                              promptTokens,
	"completion_tokens":                          completionTokens,
	"total_tokens":                               totalTokens,
	"prompt_tokens_details.cached_tokens":        cachedTokens,
	"prompt_tokens_details.cache_write_tokens":   cacheWriteTokens,
	"prompt_tokens_details.audio_tokens":         audioInput,
	"prompt_tokens_details.image_tokens":         imageInput,
	"completion_tokens_details.reasoning_tokens": reasoningTokens,
	"completion_tokens_details.audio_tokens":     audioOutput,
	"completion_tokens_details.image_tokens":     imageOutput,
	"prompt_cache_hit_tokens":                    cacheHitTokens,
	"cached_tokens":                              cacheHitTokens,
}

// usagePaths find the counts in a usage object by itself; an ID is a field and one.
var usagePaths = func() *jsonscan.Paths {
	paths := make(map[string]jsonscan.ID, len(reportNames))
	for name, field := range reportNames {
		paths[name] = jsonscan.ID(field) + 1
	}
	return jsonscan.Compile(paths)
}()

// settle takes a report over the ones before. Vendors that report in several chunks count from the start each time; a
// report of nothing does not undo one of something. One of less does, since the last word is what a vendor bills, but is odd.
func (r *report) settle(now *report) {
	u, credible, _ := now.usage()
	if last, before, _ := r.usage(); credible || !before {
		shrunk := r.shrunk || before && u.Total() < last.Total()
		*r = *now
		r.shrunk = shrunk
	}
}

func (r *report) has(f reportField) bool { return r.fields&(1<<f) != 0 }

// set takes a count from the text of a JSON number.
func (r *report) set(f reportField, raw []byte) {
	n, ok := llm.ParseTokens(raw)
	if !ok {
		r.broken = true
		return
	}
	r.counts[f] = n
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
		ImageInput:   min(c[imageInput], prompt-cached-write),
		ImageOutput:  c[imageOutput],
	}
	u, clamped := u.Clamp()
	return u, !u.IsZero(), odd || clamped || r.shrunk
}

// appendUsage appends a usage object by OpenAI's rules: prompt_tokens has all input in it, completion_tokens the reasoning.
func appendUsage(b []byte, u *llm.Usage) []byte {
	n := func(name string, n int64) {
		b = strconv.AppendInt(append(b, name...), n, 10)
	}
	n(`{"prompt_tokens":`, u.TotalInput())
	n(`,"completion_tokens":`, u.Output)
	n(`,"total_tokens":`, u.Total())
	n(`,"prompt_tokens_details":{"cached_tokens":`, u.CachedInput)
	n(`,"audio_tokens":`, u.AudioInput)
	if u.ImageInput > 0 {
		n(`,"image_tokens":`, u.ImageInput)
	}
	if write := u.CacheWrite5m + u.CacheWrite1h; write > 0 {
		n(`,"cache_write_tokens":`, write)
	}
	n(`},"completion_tokens_details":{"reasoning_tokens":`, u.Reasoning)
	n(`,"audio_tokens":`, u.AudioOutput)
	if u.ImageOutput > 0 {
		n(`,"image_tokens":`, u.ImageOutput)
	}
	return append(b, `,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`...)
}
