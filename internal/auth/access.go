package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

const (
	issuer = "aihigress"
	// maxToken is how long a token is that is looked at, in bytes. Ours have some 400.
	maxToken = 2048
)

// claims of an access token: a JWT signed by HS256 with a key of its own, derived from the master key.
type claims struct {
	jwt.RegisteredClaims
	Session id.Session `json:"sid"`
	Role    authz.Role `json:"role"` // as it was then; the state's is what counts
	Email   string     `json:"email"`
}

// newParser pins the algorithm, so that a token cannot choose how it is checked.
func newParser(clock func() time.Time) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(issuer),
		jwt.WithExpirationRequired(),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(clock),
	)
}

// access makes an access token of a session. It never outlives the session.
func (a *Auth) access(actor authz.Actor, now, sessionEnds time.Time) (token string, expires time.Time, err error) {
	expires = now.Add(AccessLifetime)
	if sessionEnds.Before(expires) {
		expires = sessionEnds
	}
	expires = expires.Truncate(time.Second) // a JWT knows no fractions
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   actor.UserID.String(),
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		Session: actor.Session,
		Role:    actor.Role,
		Email:   actor.Name,
	}).SignedString(a.key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign access token: %w", err)
	}
	return token, expires, nil
}

// VerifyAccess is who an access token stands for. It is asked before there is an actor, and only reads: the token, the
// state, and, for a user whom the state has not got, the database, since a user may be newer than the node's snapshot.
// The role is the state's, so that a change holds before the token ends. Every refusal is the same Unauthenticated. The
// caller fills in the actor's IP.
func (a *Auth) VerifyAccess(ctx context.Context, token string) (authz.Actor, error) {
	var c claims
	if len(token) > maxToken {
		return authz.Actor{}, errToken()
	}
	_, err := a.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return a.key, nil })
	if err != nil {
		return authz.Actor{}, errToken()
	}
	user, err := id.Parse[id.User](c.Subject)
	if err != nil || c.Session.IsZero() {
		return authz.Actor{}, errToken()
	}
	state := a.state()
	if state.SessionRevoked(c.Session) {
		return authz.Actor{}, errToken()
	}
	role, ok := state.UserActive(user)
	if !ok {
		if role, err = a.storedRole(ctx, user); err != nil {
			return authz.Actor{}, err
		}
	}
	return authz.Actor{Kind: authz.User, Name: c.Email, UserID: user, Role: role, Session: c.Session}, nil
}

func (a *Auth) storedRole(ctx context.Context, user id.User) (authz.Role, error) {
	row, err := a.q.GetUser(ctx, a.pool, user)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", errToken()
	case err != nil:
		return "", fmt.Errorf("read the user of an access token: %w", db.Classify(err))
	case row.DisabledAt != nil:
		return "", errToken()
	}
	return authz.Role(row.Role), nil
}

func errToken() error {
	return fault.New(fault.Unauthenticated, "this access token is not valid, or no longer").WithCode("invalid_token")
}
