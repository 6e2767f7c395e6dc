package simulator

import (
	"context"
	"fmt"
	"maps"
	"sync"
)

// maxModels bounds the model names that are counted one by one; what comes beyond is counted under otherModels.
const (
	maxModels   = 1000
	otherModels = "(other)"
)

// Counts are what became of requests. Tokens are those that were sent, of cut and cancelled answers too.
type Counts struct {
	Requests  int64 `json:"requests"`
	Completed int64 `json:"completed"`
	// Failed were answered with an error or broken on purpose.
	Failed int64 `json:"failed"`
	// Cancelled are those whose client went away before the answer was complete.
	Cancelled        int64 `json:"cancelled"`
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	// CachedTokens and CacheWriteTokens are parts of PromptTokens; ReasoningTokens are those of whole answers, also where an
	// answer was cut.
	CachedTokens     int64 `json:"cached_tokens"`
	CacheWriteTokens int64 `json:"cache_write_tokens"`
	ReasoningTokens  int64 `json:"reasoning_tokens"`
}

// Stats are the counts since the start, in all and by model name without knobs.
type Stats struct {
	Counts
	InFlight int64             `json:"in_flight"`
	Models   map[string]Counts `json:"models"`
}

// outcome is how a request ended.
type outcome uint8

const (
	completed outcome = iota
	failed
	cancelled
)

// ledger keeps the counts. Every change wakes those who wait for one.
type ledger struct {
	mu      sync.Mutex
	stats   Stats
	serial  map[string]uint64 // requests by full model name: the place of each in the sequence of faults
	changed chan struct{}     // closed by the next change; nil while nobody waits
}

func newLedger() *ledger {
	return &ledger{stats: Stats{Models: map[string]Counts{}}, serial: map[string]uint64{}}
}

// begin counts a request and returns its number among all and among those of the same full model name, from one.
func (l *ledger) begin(model, name string) (all, same uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.InFlight++
	l.update(model, func(c *Counts) { c.Requests++ })
	if _, known := l.serial[name]; !known && len(l.serial) >= maxModels {
		name = otherModels
	}
	l.serial[name]++
	return uint64(l.stats.Requests), l.serial[name]
}

// end counts how the request ended.
func (l *ledger) end(model string, how outcome, u usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.InFlight--
	l.update(model, func(c *Counts) {
		switch how {
		case completed:
			c.Completed++
		case failed:
			c.Failed++
		case cancelled:
			c.Cancelled++
		}
		c.PromptTokens += int64(u.prompt)
		c.CompletionTokens += int64(u.completion)
		c.CachedTokens += int64(u.cached)
		c.CacheWriteTokens += int64(u.written5m + u.written1h)
		c.ReasoningTokens += int64(u.reasoning)
	})
}

// update changes the total and the model's counts alike.
func (l *ledger) update(model string, change func(*Counts)) {
	c, known := l.stats.Models[model]
	if !known && len(l.stats.Models) >= maxModels {
		model = otherModels
		c = l.stats.Models[model]
	}
	change(&c)
	l.stats.Models[model] = c
	change(&l.stats.Counts)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

func (l *ledger) snapshot() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.copy()
}

func (l *ledger) copy() Stats {
	s := l.stats
	s.Models = maps.Clone(l.stats.Models)
	return s
}

// Stats returns the counts since the start.
func (s *Server) Stats() Stats { return s.ledger.snapshot() }

// Await returns as soon as the counts satisfy the condition, or with an error that tells the last counts when the context
// ends. Tests use it instead of sleeping.
func (s *Server) Await(ctx context.Context, condition func(Stats) bool) error {
	for {
		s.ledger.mu.Lock()
		now := s.ledger.copy()
		if s.ledger.changed == nil {
			s.ledger.changed = make(chan struct{})
		}
		changed := s.ledger.changed
		s.ledger.mu.Unlock()
		if condition(now) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("await simulator, at %+v: %w", now, context.Cause(ctx))
		}
	}
}
