package graph

import (
	"context"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/event"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/web"
)

// pointers gives what comes from a channel as gqlgen wants it. It ends with the channel, which ends with ctx.
func pointers[T any](ctx context.Context, from <-chan T, err error) (<-chan *T, error) {
	if err != nil {
		return nil, err
	}
	to := make(chan *T)
	go func() {
		defer close(to)
		for v := range from {
			select {
			case to <- &v:
			case <-ctx.Done():
				return
			}
		}
	}()
	return to, nil
}

// healthChanges is the changes of one provider's health, or of all that the actor sees.
func (r *Resolver) healthChanges(ctx context.Context, text *string) (<-chan *provider.Health, error) {
	if _, err := authz.Require(ctx, authz.ProviderRead); err != nil {
		return nil, err
	}
	var only *id.Provider
	if text != nil {
		wanted, err := identifier[id.Provider](*text)
		if err != nil {
			return nil, err
		}
		if _, err := r.domain.Providers.Get(ctx, wanted); err != nil {
			return nil, err
		}
		only = &wanted
	}
	seen := make(chan provider.Health)
	probes := event.Subscribe[provider.Health](ctx, r.domain.Bus, provider.TopicHealth)
	circuits := r.domain.Changes.Subscribe(ctx)
	go func() {
		defer close(seen)
		for probes != nil || circuits != nil {
			var change provider.Health
			var ok bool
			select {
			case change, ok = <-probes:
				if !ok {
					probes = nil
				} else if only == nil || change.ProviderID == *only {
					_, ok = r.seen(ctx, change.ProviderID)
				} else {
					ok = false
				}
			case c, more := <-circuits:
				if !more {
					circuits = nil
				} else if only == nil || c.Place.Provider == *only {
					change, ok = r.seen(ctx, c.Place.Provider)
				}
			}
			if !ok {
				continue
			}
			select {
			case seen <- change:
			case <-ctx.Done():
				return
			}
		}
	}()
	return pointers(ctx, seen, nil)
}

// seen is what the last probe says of a provider, if the actor may see it now. Where that cannot be told, the change is
// left out.
func (r *Resolver) seen(ctx context.Context, target id.Provider) (provider.Health, bool) {
	p, err := r.domain.Providers.Get(ctx, target)
	if err != nil {
		if fault.KindOf(err) != fault.NotFound && ctx.Err() == nil { // whoever listened may have gone
			web.NoteError(ctx, err)
		}
		return provider.Health{}, false
	}
	health := p.Health
	if health.CheckedAt.IsZero() {
		now := time.Now()
		health = provider.Health{ProviderID: target, State: provider.Unknown, CheckedAt: now, ChangedAt: now}
	}
	return health, true
}
