package authz_test

import (
	"context"
	"errors"
	"testing"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

func TestNoActorMayDoNothing(t *testing.T) {
	t.Parallel()
	for _, p := range authz.All() {
		if _, err := authz.Require(t.Context(), p); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s without an actor: %v", p, err)
		}
	}
}

func TestAnonymousMayOnlySignIn(t *testing.T) {
	t.Parallel()
	ctx := authz.With(t.Context(), authz.Actor{Kind: authz.Anonymous})
	for _, p := range authz.All() {
		_, err := authz.Require(ctx, p)
		if p == authz.SignIn && err != nil || p != authz.SignIn && !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestMemberReachesOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	me, other := id.New[id.User](), id.New[id.User]()
	ctx := actor(t.Context(), authz.Member, me)
	g, err := authz.Require(ctx, authz.KeyRead)
	if err != nil || g.All || *g.Filter() != me {
		t.Fatalf("key.read: %+v, %v", g, err)
	}
	if err := g.Owner(me); err != nil {
		t.Errorf("own: %v", err)
	}
	if err := g.Owner(other); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's: %v, want not found", err)
	}
	for _, p := range []authz.Permission{authz.UserWrite, authz.ProviderWrite, authz.CreditGrant, authz.CostRead, authz.AuditRead, authz.JobRead} {
		if _, err := authz.Require(ctx, p); !errors.Is(err, fault.Denied) {
			t.Errorf("%s: %v, want denied", p, err)
		}
	}
}

func TestNobodyButTheGatewayBooks(t *testing.T) {
	t.Parallel()
	for _, p := range []authz.Permission{authz.CreditBook, authz.UsageBook, authz.SessionSweep} {
		if _, err := authz.Require(actor(t.Context(), authz.Admin, id.New[id.User]()), p); !errors.Is(err, fault.Denied) {
			t.Errorf("admin %s: %v", p, err)
		}
		if g, err := authz.Require(authz.With(t.Context(), authz.Job("test")), p); err != nil || !g.All {
			t.Errorf("job %s: %+v, %v", p, g, err)
		}
	}
}

func TestUnknownRoleMayDoNothing(t *testing.T) {
	t.Parallel()
	for _, p := range authz.All() {
		if _, err := authz.Require(actor(t.Context(), "owner", id.New[id.User]()), p); err == nil {
			t.Errorf("%s was allowed", p)
		}
	}
}

func actor(ctx context.Context, role authz.Role, user id.User) context.Context {
	return authz.With(ctx, authz.Actor{Kind: authz.User, Role: role, UserID: user})
}
