// Package keypool knows how much room the keys of vendors have: by the limits that an admin set, which hold over all nodes,
// and by what vendors say of their own in the headers of their answers.
//
// What a vendor says is about a key and a model, and is right for a moment. It is kept as a bucket that fills until the
// time that the vendor named, less what this node has sent since; other nodes hear of it within about a second.
package keypool

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/event"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/snapshot"
)

// MaxPlaces is how many keys with a model are known. Beyond it, what was heard of longest ago is forgotten.
const MaxPlaces = 4096

// A Pool knows the keys' room. It is safe for concurrent use.
type Pool struct {
	limiter *limit.Limiter
	bus     *event.Bus
	clock   func() time.Time
	node    string

	mu   sync.RWMutex
	said map[place]*said
	news map[place]struct{} // what other nodes were not told
}

// A place is what a vendor speaks of.
type place struct {
	Key   id.ProviderKey
	Model string // as the vendor calls it
}

// New makes a pool. A nil bus tells no other nodes; else Run must run.
func New(limiter *limit.Limiter, bus *event.Bus, clock func() time.Time) *Pool {
	return &Pool{
		limiter: limiter, bus: bus, clock: clock, node: uuid.NewString(), said: map[place]*said{}, news: map[place]struct{}{},
	}
}

// Limits are what an admin lets a key do at most.
type Limits = snapshot.KeyLimits

// A Lease is what an attempt holds of its key; nil holds nothing.
type Lease = limit.Lease

// Take lets an attempt with a key of a model go, or says how long the key has no room, at least. prompt and output are its
// tokens, estimated. A provider without keys has room always.
func (p *Pool) Take(ctx context.Context, key *snapshot.ProviderKey, model string, prompt, output int64) (*Lease, time.Duration) {
	if key == nil {
		return nil, 0
	}
	if wait := p.use(place{key.ID, model}, prompt); wait > 0 {
		return nil, wait
	}
	lease, wait := p.enter(ctx, key, prompt+output)
	if wait > 0 {
		p.unuse(place{key.ID, model}, prompt)
	}
	return lease, wait
}

// Insist is Take for a call that no other key has room for: what the vendor said of its own limits does not hold it back, since
// only the vendor knows them for sure. What an admin set does.
func (p *Pool) Insist(ctx context.Context, key *snapshot.ProviderKey, prompt, output int64) (*Lease, time.Duration) {
	if key == nil {
		return nil, 0
	}
	return p.enter(ctx, key, prompt+output)
}

// enter takes room within what an admin set.
func (p *Pool) enter(ctx context.Context, key *snapshot.ProviderKey, tokens int64) (*Lease, time.Duration) {
	if key.Limits == (Limits{}) {
		return nil, 0
	}
	lease, err := p.limiter.Take(ctx, limit.Use{Tokens: tokens}, claim(key.ID, key.Limits))
	if err == nil {
		return lease, 0
	}
	const soon = 100 * time.Millisecond // a slot is free when some call ends
	if refusal, ok := errors.AsType[*limit.Refusal](err); ok && refusal.Wait > 0 {
		return nil, refusal.Wait
	}
	return nil, soon
}

// Room is the share of what a key may do that is left for a model, from 0 to 1, as far as this node knows.
func (p *Pool) Room(key *snapshot.ProviderKey, model string) float64 {
	room := p.saidRoom(place{key.ID, model})
	if key.Limits != (Limits{}) {
		room = min(room, p.limiter.Room(claim(key.ID, key.Limits)))
	}
	return room
}

// Headroom is Room for whichever model has least of it; ok is false where nothing limits the key, for all that is known.
func (p *Pool) Headroom(key id.ProviderKey, limits Limits) (room float64, ok bool) {
	room, ok = 1, limits != Limits{}
	if ok {
		room = p.limiter.Room(claim(key, limits))
	}
	for _, l := range p.Learnt(key) {
		room, ok = min(room, float64(l.Remaining)/float64(l.Limit)), true
	}
	return room, ok
}

// claim is the limits that an admin set.
func claim(key id.ProviderKey, limits Limits) limit.Claim {
	return limit.Claim{Subject: limit.Subject{Of: "vendor", ID: key.UUID}, Limits: []limit.Limit{
		{What: limit.Requests, Amount: limits.MaxQPS, Window: time.Second},
		{What: limit.Requests, Amount: limits.RequestsPerMinute, Window: time.Minute},
		{What: limit.Tokens, Amount: limits.TokensPerMinute, Window: time.Minute},
		{What: limit.Calls, Amount: limits.MaxConcurrency},
	}}
}

// Learn takes in what the header of a vendor's answer says of the limits of a key.
func (p *Pool) Learn(key *snapshot.ProviderKey, model, dialect string, h http.Header) {
	if key == nil {
		return
	}
	now := p.clock()
	if read := parse(dialect, h, now); !read.empty() {
		p.note(place{key.ID, model}, read, true)
	}
}
