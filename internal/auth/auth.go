// Package auth signs people in and says who is asking.
//
// One row of sessions is one sign-in on one device, and the unit of revocation. Three things name it: the console's
// cookie, the refresh tokens of a program, and the access tokens these are exchanged for. When the row is revoked, or
// its user disabled, cookie and refresh tokens are worthless at once, and access tokens as soon as the node's snapshot
// has followed: within a second.
//
// A session ends IdleTimeout after its last use and Lifetime after the sign-in, whichever comes first.
package auth

import (
	"log/slog"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/account"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/secret"
)

const (
	// IdleTimeout is how long a session lives without being used.
	IdleTimeout = 30 * 24 * time.Hour
	// Lifetime is how long a session lives at most, used or not.
	Lifetime = 90 * 24 * time.Hour
	// AccessLifetime is how long an access token is good for.
	AccessLifetime = 10 * time.Minute
	// RefreshGrace is how long a refresh token still works after its first use, so that two tabs which refresh at the
	// same moment both stay signed in. Used later than that it has been copied, and its session is revoked.
	RefreshGrace = 30 * time.Second
	// MaxSessions is how many live sessions a user has; a further sign-in ends those that were used least recently.
	MaxSessions = 100

	// touchEvery is how exact last_seen_at is: a page view seldom costs a write.
	touchEvery = time.Minute
)

// State is what the data plane knows without asking the database: the snapshot.
type State interface {
	SessionRevoked(id.Session) bool
	UserActive(id.User) (role authz.Role, ok bool)
}

// Options of New.
type Options struct {
	Pool    *pgxpool.Pool
	Users   *account.Users
	Audit   *audit.Log
	Keyring *secret.Keyring
	State   func() State     // the newest state; access tokens are checked against it
	Clock   func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil is none
	Secure  bool             // the cookie goes over HTTPS only
}

// Auth signs in and verifies. It is safe for concurrent use.
type Auth struct {
	pool    *pgxpool.Pool
	q       *db.Queries
	users   *account.Users
	audit   *audit.Log
	state   func() State
	clock   func() time.Time
	log     *slog.Logger
	key     []byte // of access tokens
	parser  *jwt.Parser
	limits  *attempts
	cookies *scs.SessionManager
}

// New makes the one Auth of the process: it counts the failed sign-ins.
func New(o Options) *Auth {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Auth{
		pool:   o.Pool,
		q:      db.New(),
		users:  o.Users,
		audit:  o.Audit,
		state:  o.State,
		clock:  o.Clock,
		log:    o.Log,
		key:    o.Keyring.Derive("access token", 32),
		parser: newParser(o.Clock),
		limits: newAttempts(),
	}
	a.cookies = a.newCookies(o.Secure)
	return a
}

// now is the time as Postgres keeps it.
func (a *Auth) now() time.Time { return a.clock().UTC().Truncate(time.Microsecond) }

// actorOf is who a session stands for.
func actorOf(s id.Session, u db.User) authz.Actor {
	return authz.Actor{Kind: authz.User, Name: u.Email, UserID: u.ID, Role: authz.Role(u.Role), Session: s}
}

// holds reports whether a session still stands for its user.
func holds(s db.Session, u db.User, now time.Time) bool {
	return s.RevokedAt == nil && u.DisabledAt == nil && now.Before(ends(s))
}

// ends is when a session ends unless it is used before.
func ends(s db.Session) time.Time {
	if idle := s.LastSeenAt.Add(IdleTimeout); idle.Before(s.ExpiresAt) {
		return idle
	}
	return s.ExpiresAt
}

func errEnded() error {
	return fault.New(fault.Unauthenticated, "this session has ended: sign in again").WithCode("session_ended")
}
