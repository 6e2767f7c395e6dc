package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// Authenticate is the active user who has this e-mail and this password. Whatever is wrong (no such user, another
// password, a disabled user), the error is the same and comes after the same work, so that nobody learns who has an
// account. A hash that was made at an older cost is made anew.
//
// It does not count attempts: auth does, before it asks.
func (u *Users) Authenticate(ctx context.Context, email, password string) (User, error) {
	if _, err := authz.Require(ctx, authz.SignIn); err != nil {
		return User{}, err
	}
	row, err := u.candidate(ctx, email)
	if err != nil {
		return User{}, fmt.Errorf("find user: %w", err)
	}
	if len(password) > MaxPassword { // nobody has one, and NFKC of it would take longer
		row.PasswordHash, password = u.hasher.decoy, ""
	}
	password = normalPassword(password)
	ok, stale, err := u.hasher.verify(ctx, row.PasswordHash, password)
	if err != nil {
		return User{}, fmt.Errorf("check password: %w", err)
	}
	if !ok || row.DisabledAt != nil {
		return User{}, fault.New(fault.Unauthenticated, "the e-mail address or the password is wrong").WithCode("invalid_credentials")
	}
	if stale {
		if err := u.rehash(ctx, row, password); err != nil {
			return User{}, err
		}
	}
	return fromRow(row), nil
}

// candidate is the row of an e-mail address, or one whose password nobody has.
func (u *Users) candidate(ctx context.Context, email string) (db.User, error) {
	email, malformed := normalEmail(email)
	if malformed != nil {
		email = "" // asked for all the same, since the time it takes is an answer too
	}
	row, err := u.q.GetUserByEmail(ctx, u.pool, email)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.User{PasswordHash: u.hasher.decoy}, nil
	}
	return row, db.Classify(err)
}

// rehash replaces a stale hash, unless the password was changed meanwhile.
func (u *Users) rehash(ctx context.Context, row db.User, password string) error {
	hash, err := u.hasher.hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash password anew: %w", err)
	}
	_, err = u.q.SetPasswordHash(ctx, u.pool, db.SetPasswordHashParams{ID: row.ID, OldHash: row.PasswordHash, NewHash: hash})
	if err != nil {
		return fmt.Errorf("hash password anew: %w", db.Classify(err))
	}
	return nil
}

// ChangePassword gives the actor's own user a new password. The current one is asked for, so that an unattended
// screen or a stolen session is not enough. also runs in the same transaction: auth ends the other sessions there.
func (u *Users) ChangePassword(ctx context.Context, currentPassword, wanted string, also func(pgx.Tx, id.User) error) error {
	grant, err := authz.Require(ctx, authz.PasswordChange)
	if err != nil {
		return err
	}
	password, err := newPassword("newPassword", wanted)
	if err != nil {
		return err
	}
	row, err := u.q.GetUser(ctx, u.pool, grant.UserID)
	if err != nil {
		return fmt.Errorf("find user: %w", db.Classify(err))
	}
	if len(currentPassword) > MaxPassword {
		return fault.Field("currentPassword", "this is not your password")
	}
	ok, _, err := u.hasher.verify(ctx, row.PasswordHash, normalPassword(currentPassword))
	if err != nil {
		return fmt.Errorf("check password: %w", err)
	}
	if !ok {
		return fault.Field("currentPassword", "this is not your password")
	}
	hash, err := u.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	err = db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		n, err := u.q.SetPasswordHash(ctx, tx, db.SetPasswordHashParams{ID: row.ID, OldHash: row.PasswordHash, NewHash: hash})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.Conflict, "the password was changed at the same time")
		}
		if err := also(tx, row.ID); err != nil {
			return err
		}
		return u.audit.Record(ctx, tx, "user.password", row.ID.String(), nil)
	})
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	return nil
}
