package upstream

import (
	"cmp"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// maxCounted is how many providers are counted apart. There are as many as admins make; what was deleted stays until the
	// process ends.
	maxCounted = 500
	// others is what the rest is counted under.
	others = "(others)"
)

// ConnectionCount is what connections the calls to a provider took.
type ConnectionCount struct {
	Provider    string // its slug
	New, Reused int64
}

// connections counts them.
type connections struct {
	mu     sync.RWMutex
	counts map[string]*counts
}

type counts struct {
	fresh, reused atomic.Int64
	got           func(httptrace.GotConnInfo) // counts one; made once, so that a call does not make it
}

// of is the counts of a provider.
func (c *connections) of(slug string) *counts {
	c.mu.RLock()
	found := c.counts[slug]
	c.mu.RUnlock()
	if found != nil {
		return found
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.counts) >= maxCounted {
		slug = others
	}
	if found = c.counts[slug]; found != nil {
		return found
	}
	found = &counts{}
	found.got = func(i httptrace.GotConnInfo) {
		if i.Reused {
			found.reused.Add(1)
		} else {
			found.fresh.Add(1)
		}
	}
	c.counts[slug] = found
	return found
}

// Connections tells, by provider, how many calls took a new connection and how many one that was there, since the client
// was made.
func (c *Client) Connections() []ConnectionCount {
	c.connections.mu.RLock()
	defer c.connections.mu.RUnlock()
	list := make([]ConnectionCount, 0, len(c.connections.counts))
	for slug, n := range c.connections.counts {
		list = append(list, ConnectionCount{Provider: slug, New: n.fresh.Load(), Reused: n.reused.Load()})
	}
	slices.SortFunc(list, func(a, b ConnectionCount) int { return cmp.Compare(a.Provider, b.Provider) })
	return list
}
