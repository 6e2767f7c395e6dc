package proxy

import (
	"net/http"
	"strings"
	"time"

	"aihigress/internal/llm"
)

// What vendors call their limits: OpenAI and its likes x-ratelimit-remaining-requests, with the time until all is there again
// as 6m0s; Anthropic anthropic-ratelimit-requests-remaining, with the moment itself. Gemini has no such headers.
const (
	openaiLimits    = "X-Ratelimit-"
	anthropicLimits = "Anthropic-Ratelimit-"
)

// limitHeader adds to out what a vendor says of its limits, in the words of the caller's dialect where it has any. What the
// gateway says of its own limits stays.
func limitHeader(out, in http.Header, dialect string, now time.Time) {
	for name, values := range in {
		if len(values) == 0 {
			continue
		}
		value := values[0]
		theirs, isAnthropic := strings.CutPrefix(name, anthropicLimits)
		usual, isUsual := strings.CutPrefix(name, openaiLimits)
		switch {
		case isAnthropic && dialect != llm.Anthropic:
			name, value = fromAnthropic(theirs, value, now)
		case isUsual && dialect == llm.Anthropic:
			name, value = toAnthropic(usual, value, now)
		case !isAnthropic && !isUsual:
			continue
		}
		if _, ours := out[name]; !ours {
			out[name] = []string{value}
		}
	}
}

// fromAnthropic turns Requests-Remaining into X-Ratelimit-Remaining-Requests. What is no time stays as it is.
func fromAnthropic(name, value string, now time.Time) (string, string) {
	of, what, _ := cutLast(name, "-")
	if what == "Reset" {
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			value = max(at.Sub(now), 0).Round(time.Millisecond).String()
		}
	}
	return openaiLimits + what + "-" + of, value
}

// toAnthropic turns Remaining-Requests into Anthropic-Ratelimit-Requests-Remaining.
func toAnthropic(name, value string, now time.Time) (string, string) {
	what, of, _ := strings.Cut(name, "-")
	if what == "Reset" {
		if wait, err := time.ParseDuration(value); err == nil {
			value = now.Add(wait).UTC().Format(time.RFC3339)
		}
	}
	return anthropicLimits + of + "-" + what, value
}
