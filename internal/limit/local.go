package limit

import (
	"time"

	"aihigress/internal/id"
)

// A local is what this node alone knows of a key: its calls under way, and its buckets while Redis is away.
type local struct {
	running  int64
	requests bucket
	tokens   bucket
	used     time.Time
}

// A bucket fills up to a minute's worth. The zero value is full.
type bucket struct {
	level float64
	at    time.Time
}

// fill adds what flowed in since the last look.
func (b *bucket) fill(limit int64, now time.Time) {
	if b.at.IsZero() {
		b.level = float64(limit)
	} else if passed := now.Sub(b.at); passed > 0 { // a clock that is set back adds nothing
		b.level = min(float64(limit), b.level+passed.Minutes()*float64(limit))
	}
	b.at = now
}

// until is how long the bucket takes to hold a level.
func (b *bucket) until(level float64, limit int64) time.Duration {
	return max(0, time.Duration((level-b.level)/float64(limit)*float64(time.Minute)))
}

// decide is the script's rule, on this node's own counts.
func (l *Limiter) decide(key id.Key, limits Limits, tokens int64, now time.Time) decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.local(key)
	k.used = now
	var d decision
	if limit := limits.RequestsPerMinute; limit > 0 {
		if k.requests.fill(limit, now); k.requests.level < 1 {
			d.refused = &refusal{requests, k.requests.until(1, limit)}
		}
	}
	if limit := limits.TokensPerMinute; limit > 0 {
		tokens = min(tokens, limit)
		if k.tokens.fill(limit, now); d.refused == nil && k.tokens.level < float64(tokens) {
			d.refused = &refusal{tokenRate, k.tokens.until(float64(tokens), limit)}
		}
	}
	if d.refused == nil && limits.Concurrency > 0 && k.running >= limits.Concurrency {
		d.refused = &refusal{which: concurrency}
	}
	if d.refused == nil {
		k.running++
		k.requests.level--
		k.tokens.level -= float64(tokens)
	}
	d.state = State{Requests: k.requests.window(limits.RequestsPerMinute), Tokens: k.tokens.window(limits.TokensPerMinute)}
	return d
}

func (b *bucket) window(limit int64) Window {
	if limit == 0 {
		return Window{}
	}
	return Window{Limit: limit, Remaining: int64(max(b.level, 0)), Reset: b.until(float64(limit), limit)}
}

// local finds a key's counts; l.mu is held.
func (l *Limiter) local(key id.Key) *local {
	k := l.keys[key]
	if k == nil {
		k = &local{}
		l.keys[key] = k
	}
	return k
}

// enter counts a call that Redis let pass, so that the node's share is right when Redis goes away under it.
func (l *Limiter) enter(key id.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.local(key)
	k.running++
	k.used = l.clock()
}

// leave ends a call on this node's own counts.
func (l *Limiter) leave(key id.Key, spare int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.keys[key]; k != nil {
		k.running--
		if !k.tokens.at.IsZero() {
			k.tokens.level += float64(spare)
		}
	}
}

// sweep forgets keys that have not been used for longer than their buckets take to fill.
func (l *Limiter) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, k := range l.keys {
		if k.running == 0 && now.Sub(k.used) > 2*time.Minute {
			delete(l.keys, key)
		}
	}
}
