package usage

import (
	"maps"
	"slices"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/money"
)

// A series is what counts are kept by.
type series struct {
	User     id.User     `json:"user,omitzero"`
	Key      id.Key      `json:"key,omitzero"`
	Provider id.Provider `json:"provider,omitzero"` // zero where no attempt was made
	Model    string      `json:"model,omitempty"`
}

func seriesOf(e *Event) series {
	s := series{User: e.UserID, Key: e.KeyID, Model: e.Model}
	if e.ProviderID != nil {
		s.Provider = *e.ProviderID
	}
	return s
}

// Counts are the sums that metrics are made of.
type Counts struct {
	Requests int64 `json:"requests,omitempty"` // all, refused ones too
	Errors   int64 `json:"errors,omitempty"`   // Outcome.Failed
	Refused  int64 `json:"refused,omitempty"`
	Unpriced int64 `json:"unpriced,omitempty"` // requests whose price is not known

	// Tokens, disjoint but for Reasoning, which is a part of Output.
	Input       int64 `json:"input,omitempty"`
	CachedInput int64 `json:"cached_input,omitempty"`
	CacheWrite  int64 `json:"cache_write,omitempty"`
	Output      int64 `json:"output,omitempty"`
	Reasoning   int64 `json:"reasoning,omitempty"`

	Charge money.Amount `json:"charge,omitzero"`
	Cost   money.Amount `json:"cost,omitzero"`
}

// Tokens is everything read and written.
func (c Counts) Tokens() int64 { return c.Input + c.CachedInput + c.CacheWrite + c.Output }

func (c *Counts) add(e *Event) {
	c.Requests++
	if e.Outcome.Failed() {
		c.Errors++
	}
	if e.Outcome == Refused {
		c.Refused++
	}
	if e.Unpriced {
		c.Unpriced++
	}
	c.Input += e.Usage.Input
	c.CachedInput += e.Usage.CachedInput
	c.CacheWrite += e.Usage.CacheWrite5m + e.Usage.CacheWrite1h
	c.Output += e.Usage.Output
	c.Reasoning += e.Usage.Reasoning
	if e.Charge != nil {
		c.Charge = c.Charge.Add(*e.Charge)
	}
	if e.Cost != nil {
		c.Cost = c.Cost.Add(*e.Cost)
	}
}

// Merge adds the counts of others.
func (c *Counts) Merge(o Counts) {
	c.Requests += o.Requests
	c.Errors += o.Errors
	c.Refused += o.Refused
	c.Unpriced += o.Unpriced
	c.Input += o.Input
	c.CachedInput += o.CachedInput
	c.CacheWrite += o.CacheWrite
	c.Output += o.Output
	c.Reasoning += o.Reasoning
	c.Charge = c.Charge.Add(o.Charge)
	c.Cost = c.Cost.Add(o.Cost)
}

// subtract takes away what was merged.
func (c *Counts) subtract(o Counts) {
	o.Requests, o.Errors, o.Refused, o.Unpriced = -o.Requests, -o.Errors, -o.Refused, -o.Unpriced
	o.Input, o.CachedInput, o.CacheWrite, o.Output, o.Reasoning = -o.Input, -o.CachedInput, -o.CacheWrite, -o.Output, -o.Reasoning
	o.Charge, o.Cost = -o.Charge, -o.Cost
	c.Merge(o)
}

// Times are the distributions beside the counts. Refused requests are in neither: they would only show how fast a no is.
type Times struct {
	Duration   Histogram `json:"duration,omitempty"`
	FirstToken Histogram `json:"first_token,omitempty"`
}

func (t *Times) add(e *Event) {
	if e.Outcome == Refused {
		return
	}
	t.Duration.Add(e.Duration)
	if e.FirstToken > 0 {
		t.FirstToken.Add(e.FirstToken)
	}
}

// merge adds the distributions of another.
func (t *Times) merge(other Times) {
	t.Duration.Merge(other.Duration)
	t.FirstToken.Merge(other.FirstToken)
}

// subtract takes away what was merged.
func (t *Times) subtract(other Times) {
	t.Duration.subtract(other.Duration)
	t.FirstToken.subtract(other.FirstToken)
}

// A bucket is what one series did in one minute, or in a longer step that is folded from minutes.
type bucket struct {
	minute time.Time // when it begins
	series series
	counts Counts
	times  Times
}

// minuteBuckets sums events up by the minute they started in, sorted by key.
func minuteBuckets(events []*Event) []*bucket {
	type key struct {
		minute int64
		series series
	}
	buckets := map[key]*bucket{}
	for _, e := range events {
		minute := e.StartedAt.Truncate(time.Minute)
		k := key{minute.Unix(), seriesOf(e)}
		b := buckets[k]
		if b == nil {
			b = &bucket{minute: minute, series: k.series}
			buckets[k] = b
		}
		b.counts.add(e)
		b.times.add(e)
	}
	return slices.SortedFunc(maps.Values(buckets), compareBuckets)
}
