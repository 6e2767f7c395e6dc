package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const partitionName = "requests_20060102"

// partitionsLock is the advisory lock under which the partitions of requests change, so that nodes that start together
// take turns.
const partitionsLock = 7377_0010

// ListRequestPartitions is the days (UTC) that requests has a partition for, ascending, at most 10,000.
func (q *Queries) ListRequestPartitions(ctx context.Context, db DBTX) ([]time.Time, error) {
	rows, err := db.Query(ctx, `
		SELECT c.relname::text
		FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'requests'::regclass
			AND c.relname <> 'requests_default'
		ORDER BY c.relname
		LIMIT 10000`)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	days := make([]time.Time, 0, len(names))
	for _, name := range names {
		day, err := time.Parse(partitionName, name)
		if err != nil {
			continue // somebody's own; not ours to touch
		}
		days = append(days, day)
	}
	return days, nil
}

// CreateRequestPartition makes the partition of a day (UTC), and moves there what the default partition caught of it
// meanwhile. A day that has one is left alone. It waits at most five seconds for others' locks.
func (q *Queries) CreateRequestPartition(ctx context.Context, tx pgx.Tx, day time.Time) error {
	name := pgx.Identifier{day.Format(partitionName)}.Sanitize()
	from, to := literal(day), literal(day.AddDate(0, 0, 1))
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '5s'"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", partitionsLock); err != nil {
		return err
	}
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", day.Format(partitionName)).Scan(&exists); err != nil || exists {
		return err
	}
	// A new table that is attached, since CREATE … PARTITION OF would shut out readers of all days meanwhile. The default
	// partition is locked first: a row that came into it after the move would make the attachment fail.
	for _, sql := range []string{
		"LOCK TABLE requests_default IN ACCESS EXCLUSIVE MODE",
		"CREATE TABLE " + name + " (LIKE requests INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
		"WITH moved AS (DELETE FROM requests_default WHERE started_at >= " + from + " AND started_at < " + to + " RETURNING *)" +
			" INSERT INTO " + name + " SELECT * FROM moved",
		"ALTER TABLE requests ATTACH PARTITION " + name + " FOR VALUES FROM (" + from + ") TO (" + to + ")",
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("partition %s: %w", name, err)
		}
	}
	return nil
}

// DropRequestPartition drops a day and all that is in it. It waits at most five seconds for others' locks.
func (q *Queries) DropRequestPartition(ctx context.Context, tx pgx.Tx, day time.Time) error {
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '5s'"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", partitionsLock); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+pgx.Identifier{day.Format(partitionName)}.Sanitize())
	return err
}

// literal is a time as SQL text: data definitions take no parameters.
func literal(t time.Time) string { return "'" + t.UTC().Format("2006-01-02 15:04:05-07:00") + "'" }
