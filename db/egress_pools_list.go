package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// EgressPoolFilter cuts a list of egress pools. Zero fields do not cut.
type EgressPoolFilter struct {
	Query     string // part of the name
	Backwards bool   // from the last name to the first
}

func (f EgressPoolFilter) build() *filter {
	var w filter
	if f.Query != "" {
		w.where("name ILIKE ?", contains(f.Query))
	}
	return &w
}

// ListEgressPools is the pools behind the name after, "" being the beginning, in the order of their names or against it. There
// are as many rows as an admin makes: a Query reads them all.
func (q *Queries) ListEgressPools(ctx context.Context, db DBTX, f EgressPoolFilter, after string, limit int) ([]EgressPool, error) {
	w := f.build()
	var key []any
	if after != "" {
		key = []any{after}
	}
	order := w.behind(key, !f.Backwards, "name")
	rows, err := db.Query(ctx, "SELECT "+columns[EgressPool]()+" FROM egress_pools"+w.String()+order+" LIMIT "+w.param(limit), w.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[EgressPool])
}

// CountEgressPools counts the pools, but at most limit of them.
func (q *Queries) CountEgressPools(ctx context.Context, db DBTX, f EgressPoolFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "egress_pools", limit)
}
