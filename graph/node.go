package graph

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"aihigress/graph/model"
	"aihigress/internal/account"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// node finds anything that has an identifier, by the noun in it. What is not there, or not visible, is nil.
func (r *Resolver) node(ctx context.Context, text string) (model.Node, error) {
	d := r.domain
	switch id.Prefix(text) {
	case "usr":
		return find(ctx, text, d.Users.Get)
	case "ses":
		return find(ctx, text, d.Auth.Session)
	case "key":
		return find(ctx, text, d.Keys.Get)
	case "prv":
		return find(ctx, text, d.Providers.Get)
	case "egp":
		return find(ctx, text, d.Egress.Get)
	case "mdl":
		return find(ctx, text, d.Models.Get)
	case "als":
		return find(ctx, text, d.Aliases.Get)
	case "lim":
		return find(ctx, text, d.Limits.Get)
	case "acc":
		return find(ctx, text, d.Ledger.AccountByID)
	case "req":
		return find(ctx, text, d.Reports.Request)
	case "aud":
		return find(ctx, text, d.Audit.Get)
	case "ntf":
		return find(ctx, text, d.Inbox.Get)
	}
	return nil, nil
}

func find[T interface {
	~struct{ uuid.UUID }
	String() string
}, V any](ctx context.Context, text string, get func(context.Context, T) (V, error)) (model.Node, error) {
	key, err := id.Parse[T](text)
	if err != nil {
		return nil, nil //nolint:nilerr // nothing has this identifier
	}
	v, err := visible(get(ctx, key))
	if v == nil {
		return nil, err // not a nil pointer within an interface
	}
	return v, err
}

// visible shows what was found; what was not found is nil.
func visible[V any](v V, err error) (*V, error) {
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// viewer is the user who is asking, also through a gateway key; nil for nobody.
func (r *Resolver) viewer(ctx context.Context) (*account.User, error) {
	actor, _ := authz.From(ctx)
	if actor.UserID.IsZero() {
		return nil, nil
	}
	return visible(r.domain.Users.Get(ctx, actor.UserID))
}

// userOrViewer reads the optional identifier of a user; the viewer's where there is none.
func userOrViewer(ctx context.Context, text *string) (id.User, error) {
	if text == nil {
		actor, _ := authz.From(ctx)
		return actor.UserID, nil
	}
	return identifier[id.User](*text)
}

// identifier reads an argument, which gqlgen gives as text.
func identifier[T interface {
	~struct{ uuid.UUID }
	String() string
}](text string) (T, error) {
	parsed, err := id.Parse[T](text)
	if err != nil {
		return parsed, fault.Wrap(fmt.Errorf("read identifier: %w", err), fault.Invalid, "%v", err)
	}
	return parsed, nil
}
