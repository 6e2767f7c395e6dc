package graph

import (
	"github.com/99designs/gqlgen/graphql"

	"aihigress/graph/model"
	"aihigress/internal/keypool"
	"aihigress/internal/provider"
)

// learnt is what the vendor said of a key's limits, in a steady order.
func (r *Resolver) learnt(key *provider.Key) []keypool.Learnt {
	return keypool.Sorted(r.domain.Room.Learnt(key.ID))
}

// headroom is the share of a key's limits that is left; nil where nothing limits it.
func (r *Resolver) headroom(key *provider.Key) *float64 {
	if room, ok := r.domain.Room.Headroom(key.ID, keypool.Limits(key.Limits)); ok {
		return &room
	}
	return nil
}

// given is a limit that is to be changed; null takes it away.
func given[T int | int64](in graphql.Omittable[*T]) *int64 {
	limit, set := in.ValueOK()
	if !set {
		return nil
	}
	amount := int64(orZero(limit))
	return &amount
}

func providerKeyChange(in model.UpdateProviderKeyInput) provider.UpdateKeyInput {
	return provider.UpdateKeyInput{
		Label: in.Label, Weight: in.Weight,
		MaxQPS: given(in.MaxQPS), MaxConcurrency: given(in.MaxConcurrency),
		RequestsPerMinute: given(in.RequestsPerMinute), TokensPerMinute: given(in.TokensPerMinute),
	}
}
