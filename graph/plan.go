package graph

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"aihigress/graph/model"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// plan says how a call would be routed now, by the same two steps that the proxy takes.
func (r *Resolver) plan(ctx context.Context, name string, in model.RoutingPlanInput) (*model.RoutingPlan, error) {
	grant, err := authz.Require(ctx, authz.ModelRead)
	if err != nil {
		return nil, err
	}
	now := r.domain.Snapshots.Current()
	caller := &snapshot.Key{UserID: grant.UserID, Role: grant.Role}
	if in.APIKeyID != nil {
		if caller, err = r.caller(ctx, now, id.Key(*in.APIKeyID)); err != nil {
			return nil, err
		}
	}
	routes, logical, err := now.Resolve(caller, name)
	if err != nil {
		return nil, err
	}
	plan := &model.RoutingPlan{Model: name, ResolvedModel: now.Target(caller, name), Candidates: []model.RoutingCandidate{}}
	if plan.Strategy = in.Strategy; plan.Strategy == nil {
		plan.Strategy = filled(catalog.Strategy(caller.Strategy))
	}
	var balance snapshot.Balance
	if logical != nil {
		balance = logical.Balance
		if plan.Strategy == nil {
			plan.Strategy = filled(catalog.Strategy(logical.Strategy))
		}
	}
	policy := routing.Weighted
	if plan.Strategy != nil {
		policy = routing.Policy(*plan.Strategy)
	}
	seed := rand.Uint64()
	if in.Seed != nil {
		seed = uint64(*in.Seed)
	}
	board := r.domain.Health
	for _, t := range policy.Explain(routing.Input{Routes: routes, Health: board, Room: r.domain.Room, Now: board.Now(), Seed: seed, Balance: balance}) {
		loadersOf(ctx).providers.expect(t.Route.Provider.ID)
		plan.Candidates = append(plan.Candidates, candidate(policy, &t))
	}
	return plan, nil
}

// candidate is a target as the schema has it.
func candidate(policy routing.Policy, t *routing.Target) model.RoutingCandidate {
	c := model.RoutingCandidate{
		ProviderID: t.Route.Provider.ID, KeyID: t.Health().Key, UpstreamID: t.Route.UpstreamID, Region: t.Route.Region,
		Score: t.Chance, Reasons: t.Reasons(), Excluded: t.LeftOut,
	}
	if policy.Compares() {
		terms := &t.Terms
		c.Terms = &model.RoutingTerms{
			Score: terms.Score, FirstToken: span(terms.FirstToken), Generation: span(terms.Generation), ErrorRate: terms.Errors,
			InFlight: int(terms.InFlight), Known: terms.Known,
		}
		if !math.IsNaN(terms.Price) {
			c.Terms.Price = &terms.Price
		}
	}
	return c
}

// span is a number of seconds as a Duration.
func span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// caller is a key as the data plane knows it, for those who may see the key.
func (r *Resolver) caller(ctx context.Context, now *snapshot.Snapshot, key id.Key) (*snapshot.Key, error) {
	if _, err := r.domain.Keys.Get(ctx, key); err != nil {
		return nil, err
	}
	caller, ok := now.KeyByID(key)
	if !ok {
		return nil, fault.New(fault.Conflict, "the key does not work: it was revoked, or its user is disabled")
	}
	return caller, nil
}
