package graph

import (
	"context"

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
	changes := event.Subscribe[provider.Health](ctx, r.domain.Bus, provider.TopicHealth)
	go func() {
		defer close(seen)
		for health := range changes {
			if only != nil && health.ProviderID != *only || !r.sees(ctx, health.ProviderID) {
				continue
			}
			select {
			case seen <- health:
			case <-ctx.Done():
				return
			}
		}
	}()
	return pointers(ctx, seen, nil)
}

// sees reports whether the actor may see a provider now. Where that cannot be told, the change is left out.
func (r *Resolver) sees(ctx context.Context, target id.Provider) bool {
	_, err := r.domain.Providers.Get(ctx, target)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		web.NoteError(ctx, err)
	}
	return err == nil
}
