package db

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrTimeout says that a statement took longer than it was given.
var ErrTimeout = errors.New("the statement took too long")

// Within runs do in a read-only transaction, of which Postgres itself ends each statement after limit, to the millisecond, with
// ErrTimeout; zero is no limit. A context that ends would take the connection along, and leave the statement running.
func Within(ctx context.Context, pool *pgxpool.Pool, limit time.Duration, do func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if limit > 0 {
			ms := strconv.FormatInt(max(1, limit.Milliseconds()), 10)
			if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", ms); err != nil {
				return err
			}
		}
		return do(tx)
	})
	// query_canceled is also what an operator's own pg_cancel_backend gives; the answer to both is to ask for less.
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "57014" {
		return ErrTimeout
	}
	return Classify(err)
}

// Reading runs do in a read-only transaction whose statements all see the same.
func Reading(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return Classify(pgx.BeginTxFunc(ctx, pool, options, do))
}
