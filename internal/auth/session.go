package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// A Session is one sign-in on one device.
type Session struct {
	ID         id.Session
	UserID     id.User
	UserAgent  string // as the browser or program called itself
	IP         string // where it signed in from
	Current    bool   // it is the one that is asking
	CreatedAt  time.Time
	LastSeenAt time.Time // exact to a minute
	ExpiresAt  time.Time // unless it is used before
}

// SessionActor is who a session stands for. It is asked before there is an actor, with an id that a cookie kept, and
// costs one query. A session that was revoked, has expired, or whose user is disabled is Unauthenticated. The caller
// fills in the actor's IP.
func (a *Auth) SessionActor(ctx context.Context, session id.Session) (authz.Actor, error) {
	now := a.now()
	row, err := a.q.GetSessionWithUser(ctx, a.pool, session)
	if errors.Is(err, pgx.ErrNoRows) {
		return authz.Actor{}, errEnded()
	}
	if err != nil {
		return authz.Actor{}, fmt.Errorf("read session: %w", db.Classify(err))
	}
	if !holds(row.Session, row.User, now) {
		return authz.Actor{}, errEnded()
	}
	if now.Sub(row.Session.LastSeenAt) >= touchEvery {
		if err := a.q.TouchSession(ctx, a.pool, db.TouchSessionParams{ID: session, Now: now}); err != nil {
			return authz.Actor{}, fmt.Errorf("note the use of a session: %w", db.Classify(err))
		}
	}
	return actorOf(session, row.User), nil
}

// Sessions is where a user is signed in, last used first. There are at most MaxSessions.
func (a *Auth) Sessions(ctx context.Context, user id.User) ([]Session, error) {
	grant, err := authz.Require(ctx, authz.SessionRead)
	if err != nil {
		return nil, err
	}
	if err := grant.Owner(user); err != nil {
		return nil, err
	}
	now := a.now()
	rows, err := a.q.ActiveSessions(ctx, a.pool, db.ActiveSessionsParams{
		UserID: user, Now: now, IdleSince: now.Add(-IdleTimeout), RowLimit: MaxSessions,
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", db.Classify(err))
	}
	sessions := make([]Session, len(rows))
	for i, row := range rows {
		sessions[i] = fromRow(row)
		sessions[i].Current = row.ID == grant.Session
	}
	return sessions, nil
}

// Session is one session, also when it has ended. Another user's is NotFound, but to an admin.
func (a *Auth) Session(ctx context.Context, session id.Session) (Session, error) {
	grant, err := authz.Require(ctx, authz.SessionRead)
	if err != nil {
		return Session{}, err
	}
	row, err := a.q.GetSessionWithUser(ctx, a.pool, session)
	if err != nil {
		return Session{}, fmt.Errorf("get session: %w", db.Classify(err))
	}
	if err := grant.Owner(row.Session.UserID); err != nil {
		return Session{}, err
	}
	s := fromRow(row.Session)
	s.Current = s.ID == grant.Session
	return s, nil
}

func fromRow(row db.Session) Session {
	return Session{
		ID:         row.ID,
		UserID:     row.UserID,
		UserAgent:  row.UserAgent,
		IP:         row.IP,
		CreatedAt:  row.CreatedAt,
		LastSeenAt: row.LastSeenAt,
		ExpiresAt:  ends(row),
	}
}

// SignOut ends the session that is asking. Who has none, as a gateway key, gets a Conflict.
func (a *Auth) SignOut(ctx context.Context) error {
	grant, err := authz.Require(ctx, authz.SessionRevoke)
	if err != nil {
		return err
	}
	if grant.Session.IsZero() {
		return fault.New(fault.Conflict, "there is no session to end")
	}
	return a.revoke(ctx, grant, grant.Session)
}

// Revoke ends a session. One that has ended already stays as it is; another user's is NotFound, but to an admin.
func (a *Auth) Revoke(ctx context.Context, session id.Session) error {
	grant, err := authz.Require(ctx, authz.SessionRevoke)
	if err != nil {
		return err
	}
	return a.revoke(ctx, grant, session)
}

func (a *Auth) revoke(ctx context.Context, grant authz.Grant, session id.Session) error {
	now := a.now()
	err := db.InTx(ctx, a.pool, func(tx pgx.Tx) error {
		row, err := a.q.GetSessionForUpdate(ctx, tx, session)
		if err != nil {
			return err
		}
		if err := grant.Owner(row.UserID); err != nil || row.RevokedAt != nil {
			return err
		}
		if err := a.q.RevokeSession(ctx, tx, db.RevokeSessionParams{ID: session, Now: &now}); err != nil {
			return err
		}
		return a.audit.Record(ctx, tx, "session.revoke", session.String(), map[string]any{"user": row.UserID})
	})
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// ChangePassword gives the actor's user a new password and ends all their other sessions. Wrong guesses of the old one
// are counted like failed sign-ins.
func (a *Auth) ChangePassword(ctx context.Context, oldPassword, newPassword string) error {
	grant, err := authz.Require(ctx, authz.PasswordChange)
	if err != nil {
		return err
	}
	now := a.now()
	succeeded, err := a.limits.begin("password of "+grant.UserID.String(), grant.IP, now)
	if err != nil {
		return err
	}
	err = a.users.ChangePassword(ctx, oldPassword, newPassword, func(tx pgx.Tx, user id.User) error {
		return a.q.RevokeOtherSessions(ctx, tx, db.RevokeOtherSessionsParams{UserID: user, Keep: grant.Session, Now: &now})
	})
	if known, ok := fault.As(err); !ok || len(known.Path) == 0 || known.Path[0] != "currentPassword" {
		succeeded()
	}
	return err
}
