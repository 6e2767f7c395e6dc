package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// eachRow calls each with every row as it comes, until it fails. Rows that nobody has taken stay with Postgres.
func eachRow[Row any](ctx context.Context, db DBTX, sql string, args []any, each func(Row) error) error {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := pgx.RowToStructByPos[Row](rows)
		if err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// EachRequest calls each with every request, oldest first, until it fails.
func (q *Queries) EachRequest(ctx context.Context, db DBTX, f RequestFilter, each func(Request) error) error {
	w := f.build()
	return eachRow(ctx, db, "SELECT "+columns[Request]()+" FROM requests"+w.String()+" ORDER BY started_at, id", w.args, each)
}

// EachCreditEntry calls each with every entry of an account from a time until another, oldest first, until it fails. Zero
// times are no bounds.
func (q *Queries) EachCreditEntry(ctx context.Context, db DBTX, account id.Account, from, to time.Time, each func(CreditEntry) error) error {
	var w filter
	w.where("account_id = ?", account)
	if !from.IsZero() {
		w.where("created_at >= ?", from)
	}
	if !to.IsZero() {
		w.where("created_at < ?", to)
	}
	return eachRow(ctx, db, "SELECT "+columns[CreditEntry]()+" FROM credit_entries"+w.String()+" ORDER BY created_at, id", w.args, each)
}
