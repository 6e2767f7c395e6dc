package db

import (
	"context"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// AliasFilter cuts a list of aliases. Zero fields do not cut.
type AliasFilter struct {
	VisibleTo *id.User // shared ones and their own
	OwnerID   *id.User
	Shared    *bool
	Query     string // part of the pattern or target
}

// AliasKey is an alias's place in the list.
type AliasKey struct {
	Pattern string
	ID      id.Alias
}

func (f AliasFilter) build() *filter {
	var w filter
	if f.VisibleTo != nil {
		w.where("(owner_id = ? OR owner_id IS NULL)", *f.VisibleTo)
	}
	if f.OwnerID != nil {
		w.where("owner_id = ?", *f.OwnerID)
	}
	if f.Shared != nil {
		w.where("(owner_id IS NULL) = ?", *f.Shared)
	}
	if f.Query != "" {
		part := contains(f.Query)
		w.where("(pattern ILIKE ? OR target ILIKE ?)", part, part)
	}
	return &w
}

func listAliases(f AliasFilter, after *AliasKey, backwards bool, limit int) (string, []any) {
	w := f.build()
	var key []any
	if after != nil {
		key = []any{after.Pattern, after.ID}
	}
	order := w.behind(key, !backwards, "pattern", "id")
	return "SELECT " + columns[Alias]() + " FROM aliases" + w.String() + order + " LIMIT " + w.param(limit), w.args
}

// ListAliases is the aliases behind after, nil being the beginning, in the order of their patterns or against it.
func (q *Queries) ListAliases(ctx context.Context, db DBTX, f AliasFilter, after *AliasKey, backwards bool, limit int) ([]Alias, error) {
	sql, args := listAliases(f, after, backwards, limit)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Alias])
}

// CountAliases counts the aliases, but at most limit of them.
func (q *Queries) CountAliases(ctx context.Context, db DBTX, f AliasFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "aliases", limit)
}
