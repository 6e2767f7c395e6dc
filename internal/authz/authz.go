// Package authz says who is acting and what they may do. It is pure: no storage, no protocol.
//
// Every exported method of a domain package that takes a context and touches stored state begins with Require.
package authz

import (
	"context"

	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// A Role is what a user is.
type Role string

// The roles.
const (
	Admin  Role = "admin"  // runs the gateway
	Member Role = "member" // uses it
)

// Valid reports whether the role is known.
func (r Role) Valid() bool { return r == Admin || r == Member }

// Kind says what sort of actor is acting.
type Kind string

// The kinds of actor.
const (
	Anonymous Kind = "anonymous" // nobody has signed in; may sign in
	User      Kind = "user"      // a signed-in person
	Key       Kind = "key"       // a gateway key with the platform scope, acting for its user
	System    Kind = "system"    // the gateway itself: a job, the command line
)

// An Actor is who acts.
type Actor struct {
	Kind    Kind
	Name    string // e-mail, key hint, or the job's name
	UserID  id.User
	Role    Role
	Session id.Session // of a User
	KeyID   id.Key     // of a Key
	IP      string
}

// Job is the gateway itself acting under the name of a job or command. It may do everything.
func Job(name string) Actor { return Actor{Kind: System, Name: name} }

type contextKey struct{}

// With puts the actor into the context.
func With(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, contextKey{}, a)
}

// From is the actor in the context; ok is false where nobody put one there.
func From(ctx context.Context) (a Actor, ok bool) {
	a, ok = ctx.Value(contextKey{}).(Actor)
	return a, ok
}

// reach is how far a permission goes.
type reach int

const (
	none reach = iota
	own        // what belongs to the actor's user
	all        // everything
)

// A Grant is the answer to Require: the actor, and how far the permission reaches.
type Grant struct {
	Actor
	All bool // false: only what belongs to Actor.UserID
}

// Require is the one question of authorization: may whoever is in ctx do this at all, and to whose things? A missing
// actor is an error of the program, and refused like any other.
func Require(ctx context.Context, p Permission) (Grant, error) {
	a, ok := From(ctx)
	if !ok {
		return Grant{}, fault.New(fault.Unauthenticated, "no actor for %s", p)
	}
	switch r := reachOf(a, p); {
	case r == all:
		return Grant{Actor: a, All: true}, nil
	case r == own:
		return Grant{Actor: a}, nil
	case a.Kind == Anonymous:
		return Grant{}, fault.New(fault.Unauthenticated, "sign in first")
	}
	return Grant{}, fault.New(fault.Denied, "%s is not allowed to you", p)
}

// Owner refuses what belongs to another, as if it were not there: whether a thing exists is itself a secret.
func (g Grant) Owner(owner id.User) error {
	if g.All || owner == g.UserID {
		return nil
	}
	return fault.New(fault.NotFound, "not found")
}

// Filter is the user whose things a list is cut to; nil is no cut.
func (g Grant) Filter() *id.User {
	if g.All {
		return nil
	}
	return &g.UserID
}

func reachOf(a Actor, p Permission) reach {
	switch a.Kind {
	case System:
		return all
	case User, Key:
		return roles[a.Role][p]
	case Anonymous:
		if p == SignIn {
			return own
		}
	}
	return none
}
