package db

import (
	"context"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// ModelFilter cuts a list of logical models. Zero fields do not cut.
type ModelFilter struct {
	Query      string // part of the name
	ProviderID *id.Provider
	Enabled    *bool
	Backwards  bool // from the last name to the first
}

func (f ModelFilter) build() *filter {
	var w filter
	if f.Query != "" {
		w.where("name ILIKE ?", contains(f.Query))
	}
	if f.ProviderID != nil {
		w.where("EXISTS (SELECT FROM routes WHERE routes.model_id = models.id AND routes.provider_id = ?)", *f.ProviderID)
	}
	if f.Enabled != nil {
		w.where("enabled = ?", *f.Enabled)
	}
	return &w
}

// ListModels is the models behind the name after, "" being the beginning, in the order of their names or against it. There are as many
// rows as an admin makes: a Query reads them all.
func (q *Queries) ListModels(ctx context.Context, db DBTX, f ModelFilter, after string, limit int) ([]Model, error) {
	w := f.build()
	var key []any
	if after != "" {
		key = []any{after}
	}
	order := w.behind(key, !f.Backwards, "name")
	rows, err := db.Query(ctx, "SELECT "+columns[Model]()+" FROM models"+w.String()+order+" LIMIT "+w.param(limit), w.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Model])
}

// CountModels counts the models, but at most limit of them.
func (q *Queries) CountModels(ctx context.Context, db DBTX, f ModelFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "models", limit)
}
