package catalog

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

// A Filter cuts the list. Zero fields do not cut.
type Filter struct {
	Query      string // part of the name, in any case
	ProviderID *id.Provider
	Enabled    *bool
	Backwards  bool // from the last name to the first
}

// Get is one model.
func (m *Models) Get(ctx context.Context, model id.Model) (Model, error) {
	if _, err := authz.Require(ctx, authz.ModelRead); err != nil {
		return Model{}, err
	}
	row, err := m.q.GetModel(ctx, m.pool, model)
	if err != nil {
		return Model{}, fmt.Errorf("get model: %w", db.Classify(err))
	}
	return m.one(ctx, m.pool, row)
}

// ByIDs is the models that have these ids, in no particular order, by two queries.
func (m *Models) ByIDs(ctx context.Context, ids []id.Model) ([]Model, error) {
	if _, err := authz.Require(ctx, authz.ModelRead); err != nil {
		return nil, err
	}
	if len(ids) > MaxBatch {
		return nil, fault.New(fault.Invalid, "at most %d models at once", MaxBatch)
	}
	raw := make([]uuid.UUID, len(ids))
	for i, model := range ids {
		raw[i] = model.UUID
	}
	rows, err := m.q.ModelsByIDs(ctx, m.pool, db.ModelsByIDsParams{Ids: raw, RowLimit: MaxBatch})
	if err != nil {
		return nil, fmt.Errorf("get models: %w", db.Classify(err))
	}
	return m.complete(ctx, m.pool, rows)
}

// List is a page of the models in the order of their names.
func (m *Models) List(ctx context.Context, f Filter, args page.Args) (page.Page[Model], error) {
	var none page.Page[Model]
	if _, err := authz.Require(ctx, authz.ModelRead); err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	var after string
	if _, err := page.Decode(args.After, &after); err != nil {
		return none, err
	}
	filter := db.ModelFilter{Query: f.Query, ProviderID: f.ProviderID, Enabled: f.Enabled, Backwards: f.Backwards}
	rows, err := m.q.ListModels(ctx, m.pool, filter, after, size+1)
	if err != nil {
		return none, fmt.Errorf("list models: %w", db.Classify(err))
	}
	n, err := m.q.CountModels(ctx, m.pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count models: %w", db.Classify(err))
	}
	models, err := m.complete(ctx, m.pool, rows)
	if err != nil {
		return none, err
	}
	p := page.New(models, size, func(model Model) string { return page.Encode(model.Name) })
	p.Total = page.Counted(n)
	return p, nil
}
