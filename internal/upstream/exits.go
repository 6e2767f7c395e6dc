package upstream

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"aihigress/internal/id"
	"aihigress/internal/snapshot"
)

const (
	// maxExits is through how many proxies one call is tried.
	maxExits = 3
	// minCool and maxCool are for how long a proxy that failed is passed over: doubled with every failure in a row.
	minCool = 10 * time.Second
	maxCool = 5 * time.Minute
	// maxCooling is how many failures are remembered.
	maxCooling = 10_000
)

// exits remembers, on this node, which egress proxies failed, and whose turn it is.
type exits struct {
	now func() time.Time

	mu      sync.Mutex
	cooling map[place]cooling
	turns   map[id.EgressPool]uint64
}

// A place is a proxy, or with a provider the way from the proxy to that provider: one dead provider must not spoil the
// proxies for all.
type place struct {
	proxy    id.EgressProxy
	provider id.Provider // zero is the proxy itself
}

type cooling struct {
	failures int // in a row
	until    time.Time
}

func newExits() *exits {
	return &exits{now: time.Now, cooling: map[place]cooling{}, turns: map[id.EgressPool]uint64{}}
}

// choose is the proxy for the next try of a call; nil is none that works. Those that were tried are left out. Only a first
// try that may not go out without a proxy gets one that is cooling down: the one that will be over it soonest.
func (e *exits) choose(p *snapshot.Provider, key id.ProviderKey, tried []*snapshot.EgressProxy) *snapshot.EgressProxy {
	e.mu.Lock()
	defer e.mu.Unlock()
	pool, now := p.Egress, e.now()
	var room [64]int
	usable := room[:0]
	best, soonest := -1, time.Time{}
	for i := range pool.Proxies {
		proxy := &pool.Proxies[i]
		if contains(tried, proxy.ID) {
			continue
		}
		until := e.until(proxy, p.ID)
		if !proxy.Failing && !now.Before(until) {
			usable = append(usable, i)
		} else if best < 0 || until.Before(soonest) {
			best, soonest = i, until
		}
	}
	switch {
	case len(usable) > 0:
		return &pool.Proxies[usable[e.pick(pool, usable, p.ID, key)]]
	case best < 0 || len(tried) > 0 || pool.AllowDirect:
		return nil
	}
	return &pool.Proxies[best]
}

// pick is the place in usable of the proxy that the pool's choice falls on.
func (e *exits) pick(pool *snapshot.EgressPool, usable []int, provider id.Provider, key id.ProviderKey) int {
	switch pool.Choice {
	case "round_robin":
		e.turns[pool.ID]++
		return int(e.turns[pool.ID] % uint64(len(usable)))
	case "sticky":
		// The highest of hashes over key and proxy: where a proxy goes or comes, only its own keys move, on all nodes alike.
		highest, best := uint64(0), 0
		for at, i := range usable {
			if h := mix(provider, key, pool.Proxies[i].ID); at == 0 || h > highest {
				highest, best = h, at
			}
		}
		return best
	}
	return rand.IntN(len(usable))
}

// mix is a number for a key at a proxy; for a provider there, where there is no key.
func mix(provider id.Provider, key id.ProviderKey, proxy id.EgressProxy) uint64 {
	var raw [32]byte
	copy(raw[:16], key.UUID[:])
	if key.IsZero() {
		copy(raw[:16], provider.UUID[:])
	}
	copy(raw[16:], proxy.UUID[:])
	return xxhash.Sum64(raw[:])
}

// until is when a proxy is good for a provider again.
func (e *exits) until(proxy *snapshot.EgressProxy, provider id.Provider) time.Time {
	if len(e.cooling) == 0 {
		return time.Time{}
	}
	until := e.cooling[place{proxy: proxy.ID}].until
	if behind := e.cooling[place{proxy.ID, provider}].until; behind.After(until) {
		return behind
	}
	return until
}

// failed passes a proxy over for a while; for one provider alone, where the proxy itself was reached.
func (e *exits) failed(proxy id.EgressProxy, provider id.Provider, reached bool) {
	at := place{proxy: proxy}
	if reached {
		at.provider = provider
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	c := e.cooling[at]
	if now.Before(c.until) {
		return // several calls saw the same failure
	}
	if len(e.cooling) >= maxCooling {
		e.forget(now)
	}
	c.until = now.Add(min(minCool<<min(c.failures, 10), maxCool))
	c.failures++
	e.cooling[at] = c
}

// forget makes room: by what is over, else by all.
func (e *exits) forget(now time.Time) {
	for at, c := range e.cooling {
		if !now.Before(c.until) {
			delete(e.cooling, at)
		}
	}
	if len(e.cooling) >= maxCooling {
		clear(e.cooling)
	}
}

// worked ends what was held against a proxy.
func (e *exits) worked(proxy id.EgressProxy, provider id.Provider) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.cooling, place{proxy: proxy})
	delete(e.cooling, place{proxy, provider})
}

func contains(tried []*snapshot.EgressProxy, proxy id.EgressProxy) bool {
	for _, t := range tried {
		if t.ID == proxy {
			return true
		}
	}
	return false
}
