package proxy_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/llm"
	"aihigress/proxy"
)

// A vendor's limits are told in the words of the caller's dialect, and do not stand in for the gateway's own.
func TestLimitsInTheCallersWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	anthropic := http.Header{"Anthropic-Ratelimit-Requests-Limit": {"50"}, "Anthropic-Ratelimit-Requests-Reset": {"2026-01-02T03:05:05Z"},
		"Anthropic-Ratelimit-Input-Tokens-Remaining": {"7"}, "Other": {"x"}}
	openai := http.Header{"X-Ratelimit-Limit-Requests": {"50"}, "X-Ratelimit-Reset-Requests": {"1m0s"}, "X-Ratelimit-Remaining-Input-Tokens": {"7"}}
	for name, tt := range map[string]struct {
		in, before, want http.Header
		dialect          string
	}{
		"Anthropic's to OpenAI":    {anthropic, nil, openai, llm.OpenAI},
		"Anthropic's to Gemini":    {anthropic, nil, openai, llm.Gemini},
		"Anthropic's to Anthropic": {anthropic, http.Header{"Other": {"x"}}, anthropic, llm.Anthropic},
		"OpenAI's to Anthropic":    {openai, http.Header{"Other": {"x"}}, anthropic, llm.Anthropic},
		"OpenAI's to OpenAI":       {openai, nil, openai, llm.OpenAI},
		"no time": {http.Header{"Anthropic-Ratelimit-Requests-Reset": {"soon"}, "Anthropic-Ratelimit-": nil}, nil,
			http.Header{"X-Ratelimit-Reset-Requests": {"soon"}}, llm.OpenAI},
		"ours stays": {openai, http.Header{"X-Ratelimit-Limit-Requests": {"3"}, "X-Ratelimit-Reset-Requests": {"1m0s"}, "X-Ratelimit-Remaining-Input-Tokens": {"7"}},
			http.Header{"X-Ratelimit-Limit-Requests": {"3"}, "X-Ratelimit-Reset-Requests": {"1m0s"}, "X-Ratelimit-Remaining-Input-Tokens": {"7"}}, llm.OpenAI},
	} {
		out := tt.before.Clone()
		if out == nil {
			out = http.Header{}
		}
		proxy.LimitHeader(out, tt.in, tt.dialect, now)
		if diff := cmp.Diff(tt.want, out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
