package db

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/fault"
)

func TestWithinEndsWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	sleep := func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT pg_sleep(60)")
		return err
	}
	if err := Within(t.Context(), pool, 5*time.Millisecond, sleep); !errors.Is(err, ErrTimeout) {
		t.Errorf("a statement of a minute within 5 ms: %v", err)
	}
	// The only connection is there again, without the limit.
	short := func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT pg_sleep(0.05)")
		return err
	}
	if err := Within(t.Context(), pool, 0, short); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	nothing := func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), "SELECT 1 WHERE false").Scan(new(int)) }
	if err := Within(t.Context(), pool, time.Minute, nothing); !errors.Is(err, fault.NotFound) {
		t.Errorf("no row: %v", err)
	}
	write := func(tx pgx.Tx) error { _, err := tx.Exec(t.Context(), "DELETE FROM users"); return err }
	if err := Within(t.Context(), pool, time.Minute, write); err == nil {
		t.Error("it wrote")
	}
}
