package llm

import (
	"math"
	"strconv"
	"strings"
)

// MaxTokens is the largest count of tokens that is believed. No model takes or gives anywhere near it in one request; what
// is beyond comes from a broken or hostile upstream and must not become money.
const MaxTokens = 100_000_000

// ParseTokens reads a count from the text of a JSON number. False is one that cannot be believed.
func ParseTokens(raw []byte) (int64, bool) {
	n, err := strconv.Atoi(string(raw)) // nearly all are whole, and read so in a fraction of the time
	if err != nil {
		f, bad := strconv.ParseFloat(string(raw), 64)
		if bad != nil || math.IsNaN(f) || f < 0 || f > MaxTokens {
			return 0, false
		}
		n = int(f)
	}
	if n < 0 || n > MaxTokens {
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

	// What some vendors bill by instead of tokens, in no total either.
	Images     int64 // pictures made
	Seconds    int64 // of sound that was listened to, begun ones included
	Characters int64 // of text that was read out

	// Tier is how the vendor says that it served the request.
	Tier Tier

	// Estimated says that the counts are ours and not the vendor's.
	Estimated bool
}

// A Tier is a vendor's class of service, which it may charge differently for.
type Tier uint8

// The tiers. What is none of the others is Standard.
const (
	Standard Tier = iota
	Batch
	Flex
	Priority
)

// tierNames are the tiers' own names.
var tierNames = [...]string{Standard: "standard", Batch: "batch", Flex: "flex", Priority: "priority"}

// Valid reports whether the tier is known.
func (t Tier) Valid() bool { return int(t) < len(tierNames) }

// String is the tier's name, as TierOf reads it.
func (t Tier) String() string {
	if !t.Valid() {
		return tierNames[Standard]
	}
	return tierNames[t]
}

// TierOf reads a tier as vendors name it in their answers.
func TierOf(name string) Tier {
	switch {
	case strings.EqualFold(name, "batch"):
		return Batch
	case strings.EqualFold(name, "flex"):
		return Flex
	case strings.EqualFold(name, "priority"):
		return Priority
	}
	return Standard
}

// A TierName takes the name of a tier in pieces. The zero value is empty and ready; it does not allocate.
type TierName struct {
	text [16]byte // longer than every known name
	n    int
}

// Reset empties the name.
func (t *TierName) Reset() { t.n = 0 }

// Add appends to the name, as far as there is room.
func (t *TierName) Add(part []byte) { t.n += copy(t.text[t.n:], part) }

// Tier is what the name stands for.
func (t *TierName) Tier() Tier { return TierOf(string(t.text[:t.n])) }

// TotalInput is the size of the prompt.
func (u Usage) TotalInput() int64 {
	return u.Input + u.CachedInput + u.CacheWrite5m + u.CacheWrite1h
}

// CacheWrite is what was written to the vendor's cache, for however long.
func (u Usage) CacheWrite() int64 { return u.CacheWrite5m + u.CacheWrite1h }

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
	for _, n := range []*int64{&u.ToolUses, &u.Images, &u.Seconds, &u.Characters} {
		*n = min(max(*n, 0), MaxTokens)
	}
	return u, u != before
}
