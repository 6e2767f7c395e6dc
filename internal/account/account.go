// Package account holds the people who use the gateway: who they are, what role they have, and their passwords.
//
// A user's row is never deleted, since requests, entries and audit events name it. A user is disabled instead, and
// nothing of theirs works from then on: no sign-in, no session, no key.
package account

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/id"
)

// A User is one person.
type User struct {
	ID         id.User
	Email      string // lower case
	Name       string // may be empty
	Role       authz.Role
	DisabledAt *time.Time
	CreatedAt  time.Time
}

// Active reports whether the user may come in.
func (u User) Active() bool { return u.DisabledAt == nil }

// Ledger opens the credit account that every user has.
type Ledger interface {
	OpenTx(ctx context.Context, tx pgx.Tx, user id.User) (id.Account, error)
}

// Users is the product's people.
type Users struct {
	pool   *pgxpool.Pool
	q      *db.Queries
	audit  *audit.Log
	ledger Ledger
	hasher *hasher
}

// New makes the one Users of the process: it bounds how many passwords are hashed at once.
func New(pool *pgxpool.Pool, log *audit.Log, ledger Ledger) *Users {
	return &Users{pool: pool, q: db.New(), audit: log, ledger: ledger, hasher: newHasher(current)}
}

func fromRow(row db.User) User {
	return User{
		ID:         row.ID,
		Email:      row.Email,
		Name:       row.Name,
		Role:       authz.Role(row.Role),
		DisabledAt: row.DisabledAt,
		CreatedAt:  row.CreatedAt,
	}
}
