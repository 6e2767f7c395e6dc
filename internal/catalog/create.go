package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
)

// CreateInput is a new model.
type CreateInput struct {
	Name        string
	Description string
	Strategy    Strategy    // "" is Weighted
	Unsupported Unsupported // "" is Drop
	Disabled    bool
	Routes      []RouteInput
}

// RouteInput is one route of a model.
type RouteInput struct {
	ProviderID id.Provider
	UpstreamID string // need not be among what the provider lists: then requests are unpriced
	Weight     *int   // nil is 1
	Priority   int
	Disabled   bool
}

// Create makes a model with its routes. A name that is taken is a Conflict.
func (m *Models) Create(ctx context.Context, in CreateInput) (Model, error) {
	if _, err := authz.Require(ctx, authz.ModelWrite); err != nil {
		return Model{}, err
	}
	if in.Strategy == "" {
		in.Strategy = Weighted
	}
	if in.Unsupported == "" {
		in.Unsupported = Drop
	}
	if err := check(in.Name, in.Description, in.Strategy, in.Unsupported); err != nil {
		return Model{}, err
	}
	if err := checkRoutes(in.Routes); err != nil {
		return Model{}, err
	}
	var model Model
	err := db.InTx(ctx, m.pool, func(tx pgx.Tx) error {
		row, err := m.q.InsertModel(ctx, tx, db.InsertModelParams{
			ID: id.New[id.Model](), Name: in.Name, Description: in.Description, Strategy: string(in.Strategy), Enabled: !in.Disabled,
			Unsupported: string(in.Unsupported),
		})
		if err != nil {
			return named(err)
		}
		if err := m.setRoutes(ctx, tx, row.ID, in.Routes); err != nil {
			return err
		}
		if model, err = m.one(ctx, tx, row); err != nil {
			return err
		}
		return m.audit.Record(ctx, tx, "model.create", row.ID.String(), map[string]any{
			"name": model.Name, "strategy": model.Strategy, "unsupported": model.Unsupported, "enabled": model.Enabled, "routes": describe(model.Routes),
		})
	})
	if err != nil {
		return Model{}, fmt.Errorf("create model: %w", err)
	}
	return model, nil
}
