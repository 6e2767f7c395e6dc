package graph

import (
	"context"

	"aihigress/graph/model"
	"aihigress/graph/scalar"
	"aihigress/internal/egress"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

func egressInput(in model.CreateEgressPoolInput) egress.CreateInput {
	return egress.CreateInput{
		Name: in.Name, Choice: in.Choice, AllowDirect: orZero(in.AllowDirect), AllowHosts: in.AllowHosts,
		List: secret.NewText(orZero(in.ListURL)), ListPlain: orZero(in.AllowPlainList), Proxies: list(in.Proxies, secret.NewText),
	}
}

func egressChange(in model.UpdateEgressPoolInput) egress.UpdateInput {
	change := egress.UpdateInput{
		Name: in.Name, Choice: in.Choice, AllowDirect: in.AllowDirect, ListPlain: in.AllowPlainList, Add: list(in.AddProxies, secret.NewText),
		Remove: list(in.RemoveProxies, func(v scalar.EgressProxyID) id.EgressProxy { return id.EgressProxy(v) }),
	}
	if in.AllowHosts != nil {
		change.AllowHosts = &in.AllowHosts
	}
	if in.ListURL != nil {
		change.List = new(secret.NewText(*in.ListURL))
	}
	return change
}

// network is how a provider is reached, as inputs say it.
func network(pool **id.EgressPool, allowHosts []string, caCertificate *string) provider.NetworkInput {
	in := provider.NetworkInput{EgressPoolID: pool, CACertificate: caCertificate}
	if allowHosts != nil {
		in.AllowHosts = &allowHosts
	}
	return in
}

// newPool is the pool of a new provider.
func newPool(pool *scalar.EgressPoolID) **id.EgressPool { return new((*id.EgressPool)(pool)) }

// changedPool is the pool that a provider is to have, or nil where that is not said.
func changedPool(in model.UpdateProviderInput) **id.EgressPool {
	pool, set := in.EgressPoolID.ValueOK()
	if !set {
		return nil
	}
	return newPool(pool)
}

// checkEgressPool asks for jobs about a pool, and shows it as it is now.
func (r *Resolver) checkEgressPool(ctx context.Context, pool id.EgressPool) (egress.Pool, error) {
	if err := r.domain.Egress.RequestCheck(ctx, pool); err != nil {
		return egress.Pool{}, err
	}
	return r.domain.Egress.Get(ctx, pool)
}
