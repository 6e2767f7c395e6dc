package proxy

import (
	"aihigress/internal/routing"
	"aihigress/internal/usage"
)

// leastOut is how many of those left out a plan in brief has at the least, where there are so many.
const leastOut = 2

// brief notes the plan for the log, where there was anything to choose: one allocation. It keeps nothing of the targets,
// whose order may still change.
func (c *call) brief(policy routing.Policy, all []routing.Target) {
	if len(all) == 0 || len(all) == 1 && !all[0].LeftOut {
		return
	}
	var kept struct {
		plan    usage.Plan
		targets [usage.MaxPlanned]usage.Planned
		scores  [usage.MaxPlanned]float64
	}
	inUse := 0
	for i := range all {
		if !all[i].LeftOut {
			inUse++
		}
	}
	out := min(len(all)-inUse, max(usage.MaxPlanned-inUse, leastOut))
	inUse = min(inUse, usage.MaxPlanned-out)
	n := 0
	for i := range all {
		t := &all[i]
		left := &inUse
		if t.LeftOut {
			left = &out
		}
		if *left == 0 {
			kept.plan.More++
			continue
		}
		*left--
		p := &kept.targets[n]
		p.ProviderSlug, p.UpstreamModel, p.Out = t.Route.Provider.Slug, t.Route.UpstreamID, t.Why()
		if t.Key != nil {
			p.KeyID = t.Key.ID
		}
		if policy.Compares() && !t.LeftOut {
			kept.scores[n] = t.Terms.Score
			p.Score = &kept.scores[n]
		}
		n++
	}
	kept.plan.Strategy, kept.plan.Targets = string(policy), kept.targets[:n]
	c.event.Plan = &kept.plan
}
