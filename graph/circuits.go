package graph

import (
	"context"

	"aihigress/graph/model"
	"aihigress/internal/health"
	"aihigress/internal/provider"
)

var circuitScopes = map[health.Scope]model.CircuitScope{
	health.OfKey: model.CircuitScopeKey, health.OfModel: model.CircuitScopeModel,
	health.OfProvider: model.CircuitScopeProvider, health.OfTarget: model.CircuitScopeTarget,
}

// circuits is what live traffic has put out of use of a provider, the newest first.
func (r *Resolver) circuits(ctx context.Context, of *provider.Provider) ([]model.Circuit, error) {
	now := r.domain.Health.Now()
	shown := []model.Circuit{}
	for _, c := range r.domain.Health.Ejected(of.ID) {
		circuit := model.Circuit{
			Scope: circuitScopes[c.Place.Scope], UpstreamID: filled(c.Place.Model), HalfOpen: !now.Before(c.Open.Until),
			Reason: c.Open.Why.String(), Since: c.Open.Since, Until: c.Open.Until, Asked: c.Open.Asked,
		}
		if !c.Place.Key.IsZero() {
			key, err := keyOf(ctx, health.Target{Provider: of.ID, Key: c.Place.Key})
			if err != nil {
				return nil, err
			}
			circuit.Key = key
		}
		shown = append(shown, circuit)
	}
	return shown, nil
}

// keyOf is the key of a target; nil where it is gone or not shown to the actor.
func keyOf(ctx context.Context, t health.Target) (*provider.Key, error) {
	keys, _, err := loadersOf(ctx).secrets.load(ctx, t.Provider)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].ID == t.Key {
			return &keys[i], nil
		}
	}
	return nil, nil
}
