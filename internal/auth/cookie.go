package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/reqid"
)

// CookieName is the console's cookie.
const CookieName = "aihigress_session"

// Cookies is what a browser keeps: a random token whose data, the id of the session among it, stands in Postgres under
// the token's hash. The cookie lives as long as a session can; that the session still holds is SessionActor's question.
func (a *Auth) Cookies() *scs.SessionManager { return a.cookies }

// newCookies makes the manager by hand, since scs.New starts a goroutine for a store in memory that nobody can stop.
// What New sets beyond these fields is a key for contexts, which matters only to programs with two managers.
func (a *Auth) newCookies(secure bool) *scs.SessionManager {
	return &scs.SessionManager{
		Lifetime:         Lifetime,
		Store:            cookieStore{a},
		Codec:            scs.GobCodec{},
		HashTokenInStore: true,
		ErrorFunc: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // else nobody is there to answer, and that is no failure of ours
				a.log.LogAttrs(r.Context(), slog.LevelError, "session cookie", slog.String("error", err.Error()),
					slog.String("request_id", reqid.From(r.Context())))
			}
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		},
		Cookie: scs.SessionCookie{
			Name: CookieName, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, Persist: true,
		},
	}
}

// cookieStore keeps cookies' data in session_cookies (scs.CtxStore).
type cookieStore struct{ *Auth }

var _ scs.CtxStore = cookieStore{}

// FindCtx is the data of a cookie that has not expired.
func (s cookieStore) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	hash, err := tokenHash(token)
	if err != nil {
		return nil, false, nil //nolint:nilerr // not a token of ours: nothing is kept under it
	}
	data, err = s.q.GetSessionCookie(ctx, s.pool, db.GetSessionCookieParams{TokenHash: hash, Now: s.now()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read session cookie: %w", db.Classify(err))
	}
	return data, true, nil
}

// CommitCtx keeps the data of a cookie until it expires.
func (s cookieStore) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	hash, err := tokenHash(token)
	if err != nil {
		return fmt.Errorf("keep session cookie: %w", err)
	}
	if err := s.q.PutSessionCookie(ctx, s.pool, db.PutSessionCookieParams{TokenHash: hash, Data: data, ExpiresAt: expires}); err != nil {
		return fmt.Errorf("keep session cookie: %w", db.Classify(err))
	}
	return nil
}

// DeleteCtx forgets a cookie.
func (s cookieStore) DeleteCtx(ctx context.Context, token string) error {
	hash, err := tokenHash(token)
	if err != nil {
		return nil //nolint:nilerr // nothing is kept under it
	}
	if err := s.q.DeleteSessionCookie(ctx, s.pool, hash); err != nil {
		return fmt.Errorf("forget session cookie: %w", db.Classify(err))
	}
	return nil
}

// Find, Commit and Delete are asked for by scs.Store; scs calls those with a context.
func (s cookieStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx.
func (s cookieStore) Commit(token string, data []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expires)
}

// Delete is DeleteCtx.
func (s cookieStore) Delete(token string) error {
	return s.DeleteCtx(context.Background(), token)
}

// tokenHash reads what scs makes of a token when it hashes: base64 of its SHA-256.
func tokenHash(token string) ([]byte, error) {
	hash, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil && len(hash) != 32 {
		err = fmt.Errorf("%d bytes are not a hash", len(hash))
	}
	return hash, err
}

// CookieSession is under which key the cookie's data keeps the id of the session: every door that reads or writes the
// cookie agrees on it.
const CookieSession = "session"
