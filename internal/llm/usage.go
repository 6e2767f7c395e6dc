package llm

import (
	"math"
	"strconv"
)

// MaxTokens is the largest count of tokens that is believed. No model takes or gives anywhere near it in one request; what
// is beyond comes from a broken or hostile upstream and must not become money.
const MaxTokens = 100_000_000

// ParseTokens reads a count from the text of a JSON number. False is one that cannot be believed.
func ParseTokens(raw []byte) (int64, bool) {
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > MaxTokens {
		return 0, false
	}
	return int64(n), true
}

// Usage is what one request took, in tokens.
//
// The four kinds of input are disjoint: their sum is the prompt. Vendors differ (OpenAI counts cached tokens within
// prompt_tokens, Anthropic beside input_tokens); each dialect converts. Reasoning and the audio counts are parts of the
// kind they belong to, told apart for reports and finer prices, so whoever prices the disjoint counts alone leaves nothing
// out.
type Usage struct {
	Input        int64 // read at full price: neither from a cache nor written to one
	CachedInput  int64 // read from the vendor's prompt cache
	CacheWrite5m int64 // written to it for five minutes, and writes of unnamed duration
	CacheWrite1h int64 // written to it for an hour
	Output       int64 // everything generated, reasoning that is not shown included

	Reasoning   int64 // part of Output
	AudioInput  int64 // part of Input
	AudioOutput int64 // part of Output
	ImageInput  int64 // part of Input
	ImageOutput int64 // part of Output

	// ToolUses counts what the vendor ran on its own account, web searches mostly: uses and not tokens, in no total.
	ToolUses int64

	// Estimated says that the counts are ours and not the vendor's.
	Estimated bool
}

// TotalInput is the size of the prompt.
func (u Usage) TotalInput() int64 {
	return u.Input + u.CachedInput + u.CacheWrite5m + u.CacheWrite1h
}

// Total is prompt and answer together.
func (u Usage) Total() int64 { return u.TotalInput() + u.Output }

// IsZero reports whether nothing was counted.
func (u Usage) IsZero() bool { return u.Total() == 0 }

// Clamp returns the usage with every count between zero and MaxTokens and every part no larger than its whole, and
// reports whether something had to be changed. A caller who hears true should not trust the counts.
func (u Usage) Clamp() (Usage, bool) {
	before := u
	for _, n := range []*int64{&u.Input, &u.CachedInput, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output} {
		*n = min(max(*n, 0), MaxTokens)
	}
	u.Reasoning = min(max(u.Reasoning, 0), u.Output)
	u.AudioInput = min(max(u.AudioInput, 0), u.Input)
	u.AudioOutput = min(max(u.AudioOutput, 0), u.Output)
	u.ImageInput = min(max(u.ImageInput, 0), u.Input)
	u.ImageOutput = min(max(u.ImageOutput, 0), u.Output)
	u.ToolUses = min(max(u.ToolUses, 0), MaxTokens)
	return u, u != before
}
