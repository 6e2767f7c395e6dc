package account

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// CreateInput is a new user.
type CreateInput struct {
	Email    string // kept in lower case; unique whatever its case
	Name     string // may be empty
	Role     authz.Role
	Password string
}

// Create makes a user with a credit account. An e-mail that somebody has already is a Conflict.
func (u *Users) Create(ctx context.Context, in CreateInput) (User, error) {
	if _, err := authz.Require(ctx, authz.UserWrite); err != nil {
		return User{}, err
	}
	email, err := normalEmail(in.Email)
	if err != nil {
		return User{}, err
	}
	name, err := normalName(in.Name)
	if err != nil {
		return User{}, err
	}
	if !in.Role.Valid() {
		return User{}, fault.Field("role", "a role is %s or %s", authz.Admin, authz.Member)
	}
	password, err := newPassword("password", in.Password)
	if err != nil {
		return User{}, err
	}
	hash, err := u.hasher.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	var row db.User
	err = db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		row, err = u.q.InsertUser(ctx, tx, db.InsertUserParams{
			ID: id.New[id.User](), Email: email, Name: name, Role: string(in.Role), PasswordHash: hash,
		})
		if db.Violates(err, "users_email_key") {
			taken := fault.Wrap(err, fault.Conflict, "somebody has this e-mail address already")
			taken.Path = []string{"email"}
			return taken
		}
		if err != nil {
			return err
		}
		if _, err := u.ledger.OpenTx(ctx, tx, row.ID); err != nil {
			return fmt.Errorf("open credit account: %w", err)
		}
		return u.audit.Record(ctx, tx, "user.create", row.ID.String(), map[string]any{"email": email, "role": in.Role})
	})
	if err != nil {
		return User{}, fmt.Errorf("create user: %w", err)
	}
	return fromRow(row), nil
}
