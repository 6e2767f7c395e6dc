// Package plan says how a call would be routed now, by the steps that the proxy takes, without calling anybody.
package plan

import (
	"cmp"
	"context"
	"math/rand/v2"

	"aihigress/internal/apikey"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// A Planner plans calls that nobody makes.
type Planner struct {
	keys      *apikey.Keys
	snapshots *snapshot.Store
	board     *health.Board
	room      routing.Room
}

// New makes a planner for this node: its board is what knows how targets stand, and room how much the providers' keys may
// still do.
func New(keys *apikey.Keys, snapshots *snapshot.Store, board *health.Board, room routing.Room) *Planner {
	return &Planner{keys: keys, snapshots: snapshots, board: board, room: room}
}

// A Question is a call that might be made.
type Question struct {
	Model    string
	KeyID    *id.Key          // nil: as who asks
	Strategy catalog.Strategy // "" is the key's, or else the model's own
	Seed     *uint64          // nil is any
	Needs    llm.Needs        // but for sizes, which the tokens say
	Dialect  string           // of the caller; "" is llm.OpenAI
	Prompt   int64            // tokens of it; 0 is unknown
	Output   int64            // tokens of the answer at most; 0 is not said
}

// An Answer is the plan.
type Answer struct {
	Resolved   string           // what the name stands for, where it is an alias
	Strategy   catalog.Strategy // what it was planned by; "" where the name is no logical model and none was asked for
	Compares   bool             // the strategy goes by figures: candidates have terms
	Candidates []Candidate      // in the order they would be tried, then those left out
}

// A Candidate is one route with one of its keys.
type Candidate struct {
	ProviderID id.Provider
	KeyID      id.ProviderKey // zero where the provider needs none
	UpstreamID string
	Region     string  // of the route; "" is not said
	Chance     float64 // of being tried first, from 0 to 1
	Terms      routing.Terms
	Failures   []health.Failure // what Terms.Errors is made of
	FirstToken health.Spread    // what Terms.FirstToken is the mean of; without a count where nothing is known
	Speed      health.Spread    // tokens per second
	Reasons    []string         // why it stands where it stands, or was left out
	LeftOut    bool
	Unfit      bool      // left out for good: it is not tried when all else fails, for what it lacks or for want of a key
	Lacks      llm.Needs // of what is needed
}

// Plan plans a call as the actor, or as one of the keys that the actor may see.
func (p *Planner) Plan(ctx context.Context, q Question) (Answer, error) {
	grant, err := authz.Require(ctx, authz.ModelRead)
	if err != nil {
		return Answer{}, err
	}
	if err := q.check(); err != nil {
		return Answer{}, err
	}
	now := p.snapshots.Current()
	caller := &snapshot.Key{UserID: grant.UserID, Role: grant.Role}
	if q.KeyID != nil {
		if caller, err = p.caller(ctx, now, *q.KeyID); err != nil {
			return Answer{}, err
		}
	}
	routes, logical, err := now.Resolve(caller, q.Model)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Resolved: now.Target(caller, q.Model), Strategy: cmp.Or(q.Strategy, catalog.Strategy(caller.Strategy))}
	in := p.input(q, routes)
	if logical != nil {
		a.Strategy = cmp.Or(a.Strategy, catalog.Strategy(logical.Strategy))
		in.Balance = logical.Balance
	}
	policy := routing.Weighted
	if a.Strategy != "" {
		policy = routing.Policy(a.Strategy)
	}
	a.Compares = policy.Compares()
	for _, t := range policy.Explain(in) {
		stats := t.Standing.Stats
		if stats == nil {
			stats = &health.Stats{}
		}
		a.Candidates = append(a.Candidates, Candidate{
			ProviderID: t.Route.Provider.ID, KeyID: t.Health().Key, UpstreamID: t.Route.UpstreamID, Region: t.Route.Region, Chance: t.Chance, Terms: t.Terms,
			Reasons: t.Reasons(), LeftOut: t.LeftOut, Unfit: t.Unfit(), Lacks: t.Lacks,
			Failures: stats.Failures(), FirstToken: stats.FirstToken, Speed: stats.Speed,
		})
	}
	return a, nil
}

func (q *Question) check() error {
	switch {
	case q.Prompt < 0:
		return fault.Field("promptTokens", "a number of tokens is not negative")
	case q.Output < 0:
		return fault.Field("maxOutputTokens", "a number of tokens is not negative")
	case q.Needs&(llm.NeedContext|llm.NeedOutput) != 0:
		return fault.Field("needs", "how much room a call needs is said by its tokens")
	}
	return nil
}

func (p *Planner) input(q Question, routes []snapshot.Route) routing.Input {
	in := routing.Input{
		Routes: routes, Health: p.board, Room: p.room, Now: p.board.Now(), Seed: rand.Uint64(), Needs: q.Needs, Dialect: q.Dialect,
		Prompt: min(q.Prompt, llm.MaxTokens), Output: min(q.Output, llm.MaxTokens),
	}
	in.Context = in.Prompt
	if q.Seed != nil {
		in.Seed = *q.Seed
	}
	if in.Dialect == "" {
		in.Dialect = llm.OpenAI
	}
	return in
}

// caller is a key as the data plane knows it, for those who may see the key.
func (p *Planner) caller(ctx context.Context, now *snapshot.Snapshot, key id.Key) (*snapshot.Key, error) {
	if _, err := p.keys.Get(ctx, key); err != nil {
		return nil, err
	}
	caller, ok := now.KeyByID(key)
	if !ok {
		return nil, fault.New(fault.Conflict, "the key does not work: it was revoked, or its user is disabled")
	}
	return caller, nil
}
