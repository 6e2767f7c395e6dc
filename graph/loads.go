package graph

import (
	"context"

	"aihigress/graph/model"
	"aihigress/internal/provider"
)

// maxLoads is how many loads of a provider are shown: a provider that takes any model's name can have many.
const maxLoads = 100

// loads is what is under way at a provider.
func (r *Resolver) loads(ctx context.Context, of *provider.Provider) ([]model.TargetLoad, error) {
	all := r.domain.Gate.Loads(of.ID)
	shown := []model.TargetLoad{}
	for _, l := range all[:min(len(all), maxLoads)] {
		load := model.TargetLoad{UpstreamID: l.Target.Model, InFlight: l.InFlight, Limit: l.Limit, Limited: l.Limited, Waiting: l.Waiting}
		if !l.Target.Key.IsZero() {
			key, err := keyOf(ctx, l.Target)
			if err != nil {
				return nil, err
			}
			load.Key = key
		}
		shown = append(shown, load)
	}
	return shown, nil
}
