// Package apikey mints, lists, changes and revokes gateway keys: what an app calls the gateway with.
//
// The secret is shown once, when the key is made. Verifying a key on the way of a request is not done here but in the
// snapshot, by the hash that Parse gives.
package apikey

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/id"
)

// A Scope is what a key is good for.
type Scope string

// The scopes.
const (
	Inference Scope = "inference" // LLM calls
	Platform  Scope = "platform"  // GraphQL, as its user
)

// Limits of a key; nil is none.
type Limits struct {
	RequestsPerMinute *int32
	TokensPerMinute   *int64
	Concurrency       *int32 // calls at the same time
	Budget            *credit.Budget
}

// A Key is a gateway key without its secret.
type Key struct {
	ID          id.Key
	UserID      id.User
	Name        string
	Hint        string // beginning and end of the secret
	Scopes      []Scope
	Models      []string      // empty: every model
	ProviderIDs []id.Provider // empty: every provider
	IPRanges    []string      // CIDR; empty: from everywhere
	Limits      Limits
	Strategy    catalog.Strategy // goes before the model's; "" is the model's
	Timeout     time.Duration    // how long a call may take, in whole milliseconds; 0 is as long as the gateway allows
	ExpiresAt   *time.Time
	RevokedAt   *time.Time
	CreatedAt   time.Time
}

// Active reports whether the key works at a moment, as far as the key itself goes: its user may be disabled.
func (k Key) Active(now time.Time) bool {
	return k.RevokedAt == nil && (k.ExpiresAt == nil || now.Before(*k.ExpiresAt))
}

// Keys is the gateway keys of all users.
type Keys struct {
	pool  *pgxpool.Pool
	q     *db.Queries
	audit *audit.Log
}

// New makes Keys over a pool.
func New(pool *pgxpool.Pool, log *audit.Log) *Keys {
	return &Keys{pool: pool, q: db.New(), audit: log}
}

func fromRow(row db.ApiKey) Key {
	k := Key{
		ID:          row.ID,
		UserID:      row.UserID,
		Name:        row.Name,
		Hint:        row.Hint,
		Scopes:      make([]Scope, len(row.Scopes)),
		Models:      row.Models,
		ProviderIDs: row.ProviderIds,
		IPRanges:    row.IpRanges,
		Limits: Limits{
			RequestsPerMinute: row.RequestsPerMinute,
			TokensPerMinute:   row.TokensPerMinute,
			Concurrency:       row.Concurrency,
		},
		Strategy:  catalog.Strategy(row.Strategy),
		Timeout:   time.Duration(row.TimeoutMs) * time.Millisecond,
		ExpiresAt: row.ExpiresAt,
		RevokedAt: row.RevokedAt,
		CreatedAt: row.CreatedAt,
	}
	if row.Budget != nil {
		k.Limits.Budget = &credit.Budget{Amount: *row.Budget, Window: credit.Window(row.BudgetWindow)}
	}
	for i, s := range row.Scopes {
		k.Scopes[i] = Scope(s)
	}
	return k
}

func fromRows(rows []db.ApiKey) []Key {
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = fromRow(row)
	}
	return keys
}
