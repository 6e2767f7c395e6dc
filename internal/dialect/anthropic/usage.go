package anthropic

import (
	"aihigress/internal/llm"
)

// report is what a vendor told of usage so far, before it is made sense of. A stream tells it twice: message_start has the
// input, message_delta the output and sometimes the input again, all cumulative.
type report struct {
	broken bool   // a count was negative, absurd or no number
	shrunk bool   // less output was told than before
	fields uint32 // which counts were given, by 1 << count

	counts [countFields]int64
	// iterations are the sums over usage.iterations, where there are any.
	iterations [countFields]int64
	tier       []byte // the name of the class of service, where read found one
}

// tierName is the class of service, or empty where none was told.
func (r *report) tierName() string {
	if string(r.tier) == "standard" {
		return "standard" // nearly always, and without memory
	}
	return string(r.tier)
}

type count uint8

const (
	inputTokens count = iota
	outputTokens
	cacheRead
	cacheWrite
	cacheWrite5m
	cacheWrite1h
	thinkingTokens
	webSearches
	webFetches
	countFields
)

// countNames are the counts by their place in a usage object.
var countNames = map[string]count{
	"input_tokens":                             inputTokens,
	"output_tokens":                            outputTokens,
	"cache_read_input_tokens":                  cacheRead,
	"cache_creation_input_tokens":              cacheWrite,
	"cache_creation.ephemeral_5m_input_tokens": cacheWrite5m,
	"cache_creation.ephemeral_1h_input_tokens": cacheWrite1h,
	"output_tokens_details.thinking_tokens":    thinkingTokens,
	"server_tool_use.web_search_requests":      webSearches,
	"server_tool_use.web_fetch_requests":       webFetches,
}

// parse reads a count from the text of a JSON number.
func (r *report) parse(raw []byte) (int64, bool) {
	n, ok := llm.ParseTokens(raw)
	r.broken = r.broken || !ok
	return n, ok
}

// set takes a count. A zero does not undo a count from before: relays that know the input only at one end of a stream say
// zero at the other. A smaller one does, since the last word is what the vendor bills: of the input, parts move to the cache.
func (r *report) set(f count, raw []byte) {
	n, ok := r.parse(raw)
	if !ok {
		return
	}
	r.fields |= 1 << f
	if n > 0 {
		r.shrunk = r.shrunk || f == outputTokens && n < r.counts[f]
		r.counts[f] = n
	}
}

// add takes a count of one iteration.
func (r *report) add(f count, raw []byte) {
	if n, ok := r.parse(raw); ok {
		r.iterations[f] += n
	}
}

// usage makes sense of the report. Credible is false where it is missing, has nothing in it or has counts that cannot be,
// and the caller should estimate. Odd is true where counts contradict each other or cannot be.
//
// Anthropic's input_tokens has neither what was read from the cache nor what was written to it. Where a request took
// several rounds, usage.iterations lists them all, while the counts beside it leave out what was spent on compaction and on
// advisors; everything listed is billed.
func (r *report) usage() (u llm.Usage, credible, odd bool) {
	if r.broken || r.fields == 0 {
		return llm.Usage{}, false, r.broken
	}
	c := r.counts
	for i := range c {
		c[i] = max(c[i], r.iterations[i])
	}
	// The total of cache writes is told more often than how they are parted; what is not parted is for five minutes.
	long := c[cacheWrite1h]
	write := max(c[cacheWrite], long+c[cacheWrite5m])
	u = llm.Usage{
		Input:        c[inputTokens],
		CachedInput:  c[cacheRead],
		CacheWrite5m: write - long,
		CacheWrite1h: long,
		Output:       c[outputTokens],
		Reasoning:    c[thinkingTokens],
		ToolUses:     c[webSearches] + c[webFetches],
	}
	u, clamped := u.Clamp()
	return u, !u.IsZero(), clamped || r.shrunk
}
