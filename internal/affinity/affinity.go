// Package affinity remembers where conversations were last answered, so that their next turn can go where the vendor has
// the beginning in its cache. What is remembered is a preference and no promise: it is bounded, fades, and may be wrong.
package affinity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"aihigress/internal/event"
	"aihigress/internal/health"
)

const (
	// Lifetime is how long a conversation is remembered after its last turn: the longest that Anthropic (1 hour) and OpenAI
	// (up to 1 hour) keep a cached prompt that is not used, by their documentation of prompt caching.
	Lifetime = time.Hour
	// MaxConversations is how many are remembered. Beyond it, what was used least recently is forgotten.
	MaxConversations = 1 << 16

	topic      = "affinity"
	shareEvery = time.Second
	// maxShared is how many conversations the other nodes are told of at once; more are not told.
	maxShared = 800
)

// A Table remembers conversations by a hash of whatever tells them apart. It is safe for concurrent use.
type Table struct {
	entries *lru.Cache[uint64, place]
	node    string

	mu    sync.Mutex
	fresh []entry // what other nodes were not told
}

type place struct {
	target health.Target
	at     time.Time
}

// entry is a place on its way to other nodes.
type entry struct {
	Conversation uint64
	Target       health.Target
}

type entries struct {
	Node    string
	Entries []entry
}

// New makes an empty table.
func New() *Table {
	cache, err := lru.New[uint64, place](MaxConversations)
	if err != nil {
		panic(fmt.Sprintf("affinity: %v", err)) // the size is not positive
	}
	return &Table{entries: cache, node: uuid.NewString()}
}

// Find is where a conversation was last answered; false is not known.
func (t *Table) Find(conversation uint64, now time.Time) (health.Target, bool) {
	p, ok := t.entries.Get(conversation)
	if !ok || now.Sub(p.at) > Lifetime {
		return health.Target{}, false
	}
	return p.target, true
}

// Note remembers where a conversation was answered.
func (t *Table) Note(conversation uint64, target health.Target, now time.Time) {
	before, known := t.entries.Peek(conversation)
	t.entries.Add(conversation, place{target, now})
	if known && before.target == target && now.Sub(before.at) < Lifetime/4 {
		return // the others know
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.fresh) < maxShared {
		t.fresh = append(t.fresh, entry{conversation, target})
	}
}

// Run shares what is new with the other nodes, about once a second, until ctx ends; then it returns nil.
func (t *Table) Run(ctx context.Context, bus *event.Bus) error {
	others := event.Subscribe[entries](ctx, bus, topic)
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if fresh := t.take(); len(fresh) > 0 {
				bus.Publish(ctx, topic, entries{t.node, fresh})
			}
		case told, ok := <-others:
			if !ok {
				return nil
			}
			t.learn(told, time.Now())
		}
	}
}

func (t *Table) take() []entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := t.fresh
	t.fresh = nil
	return fresh
}

func (t *Table) learn(told entries, now time.Time) {
	if told.Node == t.node {
		return
	}
	for _, e := range told.Entries[:min(len(told.Entries), maxShared)] {
		t.entries.Add(e.Conversation, place{e.Target, now})
	}
}
