package graph

import (
	"context"
	"math/rand/v2"

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
	plan := &model.RoutingPlan{Model: name, Candidates: []model.RoutingCandidate{}}
	policy := routing.Weighted
	if logical != nil {
		policy = routing.Policy(logical.Strategy)
		plan.Strategy = filled(catalog.Strategy(logical.Strategy))
	}
	seed := rand.Uint64()
	if in.Seed != nil {
		seed = uint64(*in.Seed)
	}
	for _, t := range policy.Plan(nil, routes, seed) {
		loadersOf(ctx).providers.expect(t.Route.Provider.ID)
		plan.Candidates = append(plan.Candidates, model.RoutingCandidate{
			ProviderID: t.Route.Provider.ID, UpstreamID: t.Route.UpstreamID, Score: t.Score, Reasons: t.Reasons(),
		})
	}
	return plan, nil
}

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
