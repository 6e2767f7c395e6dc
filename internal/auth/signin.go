package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/account"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/reqid"
)

// maxUserAgent is how much of a User-Agent header is kept, in bytes.
const maxUserAgent = 256

// SignInInput is what somebody who signs in shows, and where they are.
type SignInInput struct {
	Email     string
	Password  string
	UserAgent string
	IP        string // the caller's address; anything else counts as unknown
}

// Tokens is what a program holds of a session. The console keeps the Session in its cookie instead.
type Tokens struct {
	Access    string    // for the Authorization header
	Refresh   string    // for Refresh, once
	ExpiresAt time.Time // of Access
	Session   id.Session
	User      account.User
}

// SignIn starts a session. Unknown e-mail, wrong password and disabled user are the same Unauthenticated after the same
// time; too many failures are Limited (see attempts).
func (a *Auth) SignIn(ctx context.Context, in SignInInput) (Tokens, error) {
	if _, err := authz.Require(ctx, authz.SignIn); err != nil {
		return Tokens{}, err
	}
	now := a.now()
	in.IP = addressOf(in.IP)
	in.UserAgent = printable(in.UserAgent, maxUserAgent)
	succeeded, err := a.limits.begin(in.Email, in.IP, now)
	if err != nil {
		a.refused(ctx, in.IP, err)
		return Tokens{}, err
	}
	user, err := a.users.Authenticate(ctx, in.Email, in.Password)
	if fault.KindOf(err) == fault.Unauthenticated {
		a.refused(ctx, in.IP, err)
		return Tokens{}, err
	}
	succeeded() // or failed for a reason that tells nothing about the password
	if err != nil {
		return Tokens{}, fmt.Errorf("sign in: %w", err)
	}
	return a.start(ctx, user, in, now)
}

// start makes a session of a user who has shown who they are.
func (a *Auth) start(ctx context.Context, user account.User, in SignInInput, now time.Time) (Tokens, error) {
	actor := authz.Actor{
		Kind: authz.User, Name: user.Email, UserID: user.ID, Role: user.Role, Session: id.New[id.Session](), IP: in.IP,
	}
	expires := now.Add(Lifetime)
	var refresh string
	err := db.InTx(ctx, a.pool, func(tx pgx.Tx) error {
		if err := a.endSurplus(ctx, tx, user.ID, now); err != nil {
			return fmt.Errorf("end surplus sessions: %w", err)
		}
		err := a.q.InsertSession(ctx, tx, db.InsertSessionParams{
			ID: actor.Session, UserID: user.ID, UserAgent: in.UserAgent, IP: in.IP, Now: now, ExpiresAt: expires,
		})
		if err != nil {
			return err
		}
		if refresh, err = a.addRefresh(ctx, tx, actor.Session, now, expires); err != nil {
			return err
		}
		return a.audit.Record(authz.With(ctx, actor), tx, "session.create", actor.Session.String(), map[string]any{"userAgent": in.UserAgent})
	})
	if err != nil {
		return Tokens{}, fmt.Errorf("sign in: %w", err)
	}
	return a.tokens(actor, user, refresh, now, expires)
}

func (a *Auth) tokens(actor authz.Actor, user account.User, refresh string, now, sessionEnds time.Time) (Tokens, error) {
	access, expires, err := a.access(actor, now, sessionEnds)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, Refresh: refresh, ExpiresAt: expires, Session: actor.Session, User: user}, nil
}

// refused leaves a trace of a failed sign-in. The e-mail is not in it: people type passwords there.
func (a *Auth) refused(ctx context.Context, ip string, err error) {
	a.log.LogAttrs(ctx, slog.LevelWarn, "sign-in refused", slog.String("reason", fault.KindOf(err).Error()),
		slog.String("ip", ip), slog.String("request_id", reqid.From(ctx)))
}

// endSurplus makes room for one more session. It looks before it revokes, since revoking makes every node reload.
func (a *Auth) endSurplus(ctx context.Context, tx pgx.Tx, user id.User, now time.Time) error {
	surplus, err := a.q.ActiveSessions(ctx, tx, db.ActiveSessionsParams{
		UserID: user, Now: now, IdleSince: now.Add(-IdleTimeout), Skip: MaxSessions - 1, RowLimit: MaxSessions,
	})
	if err != nil {
		return err
	}
	for _, s := range surplus {
		if err := a.q.RevokeSession(ctx, tx, db.RevokeSessionParams{ID: s.ID, Now: &now}); err != nil {
			return err
		}
	}
	return nil
}

// addRefresh adds a refresh token to a session: 256 random bits, kept as SHA-256. It never outlives the session.
func (a *Auth) addRefresh(ctx context.Context, tx pgx.Tx, session id.Session, now, sessionEnds time.Time) (string, error) {
	raw := make([]byte, 32)
	rand.Read(raw)
	text := "hgr_" + base64.RawURLEncoding.EncodeToString(raw)
	expires := now.Add(IdleTimeout)
	if sessionEnds.Before(expires) {
		expires = sessionEnds
	}
	hash := sha256.Sum256([]byte(text))
	err := a.q.InsertRefreshToken(ctx, tx, db.InsertRefreshTokenParams{
		TokenHash: hash[:], SessionID: session, Now: now, ExpiresAt: expires,
	})
	if err != nil {
		return "", fmt.Errorf("add refresh token: %w", err)
	}
	return text, nil
}

// addressOf is a caller's address in its shortest form, "" where it is none.
func addressOf(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	return addr.Unmap().WithZone("").String()
}

// printable keeps what a caller says of itself short and harmless.
func printable(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, text)
}
