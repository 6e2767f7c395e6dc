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

// visit returns how many tokens of the prompt belong to its longest beginning of whole messages that was seen before,
// and remembers all its beginnings. Unlike a real vendor's, the cache has no minimal length.
func (c *promptCache) visit(a *ask) int {
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
		if _, ok := c.seen[prefix]; ok {
			cached = tokens
		}
		c.seen[prefix] = struct{}{}
	}
	return cached
}
