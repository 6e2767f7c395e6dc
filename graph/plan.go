package graph

import (
	"context"
	"math"
	"slices"
	"time"

	"aihigress/graph/model"
	"aihigress/internal/id"
	"aihigress/internal/plan"
)

// plan says how a call would be routed now.
func (r *Resolver) plan(ctx context.Context, name string, in model.RoutingPlanInput) (*model.RoutingPlan, error) {
	q := plan.Question{
		Model: name, KeyID: (*id.Key)(in.APIKeyID), Strategy: orZero(in.Strategy), Dialect: orZero(in.Dialect),
		Prompt: orZero(in.PromptTokens), Output: orZero(in.MaxOutputTokens),
	}
	for _, need := range in.Needs {
		q.Needs |= need
	}
	if in.Seed != nil {
		seed := uint64(*in.Seed)
		q.Seed = &seed
	}
	answer, err := r.domain.Planner.Plan(ctx, q)
	if err != nil {
		return nil, err
	}
	planned := &model.RoutingPlan{Model: name, ResolvedModel: answer.Resolved, Strategy: filled(answer.Strategy), Candidates: []model.RoutingCandidate{}}
	for i := range answer.Candidates {
		c := &answer.Candidates[i]
		loadersOf(ctx).providers.expect(c.ProviderID)
		planned.Candidates = append(planned.Candidates, candidate(c, answer.Compares))
	}
	return planned, nil
}

// candidate is a candidate as the schema has it.
func candidate(from *plan.Candidate, compared bool) model.RoutingCandidate {
	c := model.RoutingCandidate{
		ProviderID: from.ProviderID, KeyID: from.KeyID, UpstreamID: from.UpstreamID, Region: from.Region,
		Score: from.Chance, Reasons: from.Reasons, Excluded: from.LeftOut, Unfit: from.Unfit, Lacks: slices.Collect(from.Lacks.All()),
	}
	if compared {
		terms := &from.Terms
		c.Terms = &model.RoutingTerms{
			Score: terms.Score, FirstToken: span(terms.FirstToken), Generation: span(terms.Generation), ErrorRate: terms.Errors,
			InFlight: int(terms.InFlight), Known: terms.Known, CooledDown: terms.CooledDown, Failures: []model.FailureRate{},
		}
		for _, f := range from.Failures {
			c.Terms.Failures = append(c.Terms.Failures, model.FailureRate{Class: f.Class.Code(), Share: f.Share})
		}
		if spread := from.FirstToken; spread.Count > 0 {
			median, late := span(spread.P50), span(spread.P95)
			c.Terms.FirstTokenP50, c.Terms.FirstTokenP95 = &median, &late
		}
		if from.Speed.Count > 0 {
			c.Terms.SpeedP50 = &from.Speed.P50
		}
		if !math.IsNaN(terms.Price) {
			c.Terms.Price = &terms.Price
		}
	}
	return c
}

// span is a number of seconds as a Duration.
func span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
