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
	return within(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, limit, do)
}

func within(ctx context.Context, pool *pgxpool.Pool, options pgx.TxOptions, limit time.Duration, do func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, pool, options, func(tx pgx.Tx) error {
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

// snapshot is a transaction whose statements all see the same.
var snapshot = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// Reading runs do in a read-only transaction whose statements all see the same.
func Reading(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	return Classify(pgx.BeginTxFunc(ctx, pool, snapshot, do))
}

// ReadingWithin is Reading whose statements end as those of Within do.
func ReadingWithin(ctx context.Context, pool *pgxpool.Pool, limit time.Duration, do func(pgx.Tx) error) error {
	return within(ctx, pool, snapshot, limit, do)
}

// Streaming is Reading for rows that are wanted one by one from the first on: where an index has them in order, they are not
// sorted before.
func Streaming(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	return Reading(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL enable_sort = off"); err != nil {
			return err
		}
		return do(tx)
	})
}
