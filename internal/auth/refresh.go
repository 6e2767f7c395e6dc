package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
)

// Refresh exchanges a refresh token for a new pair. The old one works for RefreshGrace more, so that a second tab which
// held the same one gets a pair too; used after that it has been stolen, by whoever comes first or second, and the
// session is revoked with all its tokens. Every refusal is the same Unauthenticated.
func (a *Auth) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	if _, err := authz.Require(ctx, authz.SignIn); err != nil {
		return Tokens{}, err
	}
	now := a.now()
	hash := sha256.Sum256([]byte(refresh))
	var row db.GetRefreshTokenForUpdateRow
	var next string
	var reused bool
	err := db.InTx(ctx, a.pool, func(tx pgx.Tx) (err error) {
		row, err = a.q.GetRefreshTokenForUpdate(ctx, tx, hash[:])
		if errors.Is(err, pgx.ErrNoRows) {
			return errEnded()
		}
		if err != nil {
			return err
		}
		if !holds(row.Session, row.User, now) || !now.Before(row.RefreshToken.ExpiresAt) {
			return errEnded()
		}
		if used := row.RefreshToken.UsedAt; used != nil && now.Sub(*used) > RefreshGrace {
			reused = true
			return a.endStolen(ctx, tx, row, now) // committed, though the caller is refused
		}
		next, err = a.rotate(ctx, tx, row, now)
		return err
	})
	if err == nil && reused {
		err = errEnded()
	}
	if err != nil {
		return Tokens{}, fmt.Errorf("refresh session: %w", err)
	}
	actor := actorOf(row.Session.ID, row.User)
	user, err := a.users.Get(authz.With(ctx, actor), actor.UserID)
	if err != nil {
		return Tokens{}, fmt.Errorf("refresh session: %w", err)
	}
	return a.tokens(actor, user, next, now, row.Session.ExpiresAt)
}

// rotate uses up a token and adds the next. A token that is used again within the grace keeps its first moment of use,
// so that the grace does not grow.
func (a *Auth) rotate(ctx context.Context, tx pgx.Tx, row db.GetRefreshTokenForUpdateRow, now time.Time) (string, error) {
	if row.RefreshToken.UsedAt == nil {
		if err := a.q.UseRefreshToken(ctx, tx, db.UseRefreshTokenParams{TokenHash: row.RefreshToken.TokenHash, Now: &now}); err != nil {
			return "", err
		}
	}
	if err := a.q.TouchSession(ctx, tx, db.TouchSessionParams{ID: row.Session.ID, Now: now}); err != nil {
		return "", err
	}
	return a.addRefresh(ctx, tx, row.Session.ID, now, row.Session.ExpiresAt)
}

func (a *Auth) endStolen(ctx context.Context, tx pgx.Tx, row db.GetRefreshTokenForUpdateRow, now time.Time) error {
	if err := a.q.RevokeSession(ctx, tx, db.RevokeSessionParams{ID: row.Session.ID, Now: &now}); err != nil {
		return err
	}
	return a.audit.Record(ctx, tx, "session.reuse", row.Session.ID.String(), map[string]any{
		"user": row.User.ID, "firstUse": row.RefreshToken.UsedAt,
	})
}
