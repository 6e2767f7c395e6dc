package keypool

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"aihigress/internal/llm"
)

const (
	// maxAmount bounds what a vendor may call a limit.
	maxAmount = 1_000_000_000_000
	// maxReset bounds how far off a vendor may say that a limit is whole again, so that nonsense does not end a key for good.
	maxReset = time.Hour
	// maxText is how long such a header's value may be.
	maxText = 64
)

// A Dimension is what a vendor's limit counts.
type Dimension uint8

// The dimensions.
const (
	Requests Dimension = iota
	Tokens
	InputTokens
	OutputTokens
	dimensions
)

// names are the headers of a dimension.
type names struct{ limit, remaining, reset string }

// headers is what the vendors of a dialect call their limits. Gemini has no such headers.
var headers = map[string]*[dimensions]names{
	llm.OpenAI: usual, llm.Responses: usual,
	llm.Anthropic: {
		Requests:     anthropic("Requests"),
		Tokens:       anthropic("Tokens"),
		InputTokens:  anthropic("Input-Tokens"),
		OutputTokens: anthropic("Output-Tokens"),
	},
}

var usual = &[dimensions]names{
	Requests: {"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
	Tokens:   {"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
}

func anthropic(of string) names {
	of = "Anthropic-Ratelimit-" + of
	return names{of + "-Limit", of + "-Remaining", of + "-Reset"}
}

// parse reads what a vendor says of its limits. What is missing, absurd or not understood is left out.
func parse(dialect string, h http.Header, now time.Time) (s said) {
	of := headers[dialect]
	if of == nil {
		return s
	}
	for i := range of {
		b, n := &s.buckets[i], &of[i]
		if len(h[n.limit]) == 0 || len(h[n.remaining]) == 0 {
			continue
		}
		limit, ok := number(h[n.limit][0])
		left, ok2 := number(h[n.remaining][0])
		if !ok || !ok2 || limit == 0 {
			continue
		}
		*b = bucket{limit: float64(limit), left: float64(min(left, limit)), at: now, full: now}
		if len(h[n.reset]) > 0 {
			b.full = now.Add(reset(h[n.reset][0], now))
		}
	}
	return s
}

// number reads a count. Some vendors write it with a fraction.
func number(text string) (int64, bool) {
	if len(text) > maxText {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(n >= 0 && n <= maxAmount) {
		return 0, false
	}
	return int64(n), true
}

// reset reads how long it is until a time: 6m0s, 0.5 (seconds), or a moment. Zero is not understood, or over.
func reset(text string, now time.Time) time.Duration {
	if text = strings.TrimSpace(text); len(text) > maxText {
		return 0
	}
	wait, err := time.ParseDuration(text)
	if err != nil {
		if s, numberErr := strconv.ParseFloat(text, 64); numberErr == nil && s > 0 && s < 1e9 {
			wait = time.Duration(s * float64(time.Second))
		} else if at, timeErr := time.Parse(time.RFC3339, text); timeErr == nil {
			wait = at.Sub(now)
		}
	}
	return min(max(wait, 0), maxReset)
}

// Reset is how long a vendor that refuses a call says that what is used up stays so; zero where it does not say.
func Reset(dialect string, h http.Header, now time.Time) time.Duration {
	longest, s := time.Duration(0), parse(dialect, h, now)
	for i := range s.buckets {
		if b := &s.buckets[i]; b.limit > 0 && b.left < 1 {
			longest = max(longest, b.full.Sub(now))
		}
	}
	return longest
}
