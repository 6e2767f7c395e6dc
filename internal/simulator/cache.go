package simulator

import (
	"sync"

	"github.com/cespare/xxhash/v2"
)

// maxPrefixes bounds the remembered prefixes; a full cache starts anew.
const maxPrefixes = 50_000

// promptCache remembers which beginnings of conversations were seen, as vendors do to serve them cheaper.
type promptCache struct {
	mu   sync.Mutex
	seen map[uint64]struct{}
}

// account fills in what of a prompt was cached and what is written to the cache. A prompt with markers is written up to
// the last of them, and read where the knobs allow; one without is cached by itself where the knobs allow.
func (c *promptCache) account(a *ask, k *knobs, u *usage) {
	marked := 0 // how many turns the last marker covers
	for i, t := range a.prompt {
		if t.mark != noMark {
			marked = i + 1
		}
	}
	if k.cache {
		u.cached = c.visit(a, marked)
	}
	written, seen := 0, 0
	for _, t := range a.prompt[:marked] {
		seen += t.tokens
		if seen > u.cached {
			written += t.tokens
		}
		switch t.mark {
		case mark5m:
			u.written5m, written = u.written5m+written, 0
		case mark1h:
			u.written1h, written = u.written1h+written, 0
		case noMark:
		}
	}
}

// visit returns how many tokens of the prompt belong to its longest beginning of whole turns that was seen before, and
// remembers all its beginnings; where there are markers, only beginnings that end with one count. Unlike a real
// vendor's, the cache has no minimal length.
func (c *promptCache) visit(a *ask, marked int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) >= maxPrefixes {
		c.seen = nil
	}
	if c.seen == nil {
		c.seen = make(map[uint64]struct{})
	}
	prefix := xxhash.Sum64String(a.model)
	cached, tokens := 0, 0
	for _, t := range a.prompt {
		prefix = mix(prefix, t.digest)
		tokens += t.tokens
		if marked > 0 && t.mark == noMark {
			continue
		}
		if _, ok := c.seen[prefix]; ok {
			cached = tokens
		}
		c.seen[prefix] = struct{}{}
	}
	return cached
}
