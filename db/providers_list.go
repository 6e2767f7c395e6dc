package db

import (
	"context"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// ProviderFilter cuts a list of providers. Zero fields do not cut.
type ProviderFilter struct {
	VisibleTo *id.User // public ones and their own
	Query     string   // part of the slug or name
	Dialect   string
	Enabled   *bool
	Backwards bool // from the last slug to the first
}

func (f ProviderFilter) build() *filter {
	var w filter
	w.where("deleted_at IS NULL")
	if f.VisibleTo != nil {
		w.where("(visibility = 'public' OR owner_id = ?)", *f.VisibleTo)
	}
	if f.Query != "" {
		pattern := contains(f.Query)
		w.where("(slug ILIKE ? OR name ILIKE ?)", pattern, pattern)
	}
	if f.Dialect != "" {
		w.where("dialect = ?", f.Dialect)
	}
	if f.Enabled != nil {
		w.where("enabled = ?", *f.Enabled)
	}
	return &w
}

// ListProviders is the providers behind the slug after, "" being the beginning, in the order of their slugs or against it. There are
// as many rows as an admin makes: a Query reads them all.
func (q *Queries) ListProviders(ctx context.Context, db DBTX, f ProviderFilter, after string, limit int) ([]Provider, error) {
	w := f.build()
	var key []any
	if after != "" {
		key = []any{after}
	}
	order := w.behind(key, !f.Backwards, "slug")
	rows, err := db.Query(ctx, "SELECT "+columns[Provider]()+" FROM providers"+w.String()+order+" LIMIT "+w.param(limit), w.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Provider])
}

// CountProviders counts the providers, but at most limit of them.
func (q *Queries) CountProviders(ctx context.Context, db DBTX, f ProviderFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "providers", limit)
}
