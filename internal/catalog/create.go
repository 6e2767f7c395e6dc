package catalog

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/pricing"
)

// CreateInput is a new model.
type CreateInput struct {
	Name          string
	Description   string
	Strategy      Strategy      // "" is Weighted
	Balance       *Balance      // nil is DefaultBalance
	Unsupported   Unsupported   // "" is Drop
	RequestErrors RequestErrors // "" is Return
	Hedge         bool
	RetryBudget   *int            // nil is DefaultRetryBudget
	Multiplier    *pricing.Factor // of what its calls are charged, beside the provider's; nil is 1
	Disabled      bool
	Routes        []RouteInput
}

// RouteInput is one route of a model.
type RouteInput struct {
	ProviderID id.Provider
	UpstreamID string // need not be among what the provider lists: then requests are unpriced
	Weight     *int   // nil is 1
	Priority   int
	Region     string
	Overrides  Overrides
	Disabled   bool
}

// Create makes a model with its routes. A name that is taken is a Conflict.
func (m *Models) Create(ctx context.Context, in CreateInput) (Model, error) {
	if _, err := authz.Require(ctx, authz.ModelWrite); err != nil {
		return Model{}, err
	}
	row := in.row()
	if err := check(row); err != nil {
		return Model{}, err
	}
	if err := checkRoutes(in.Routes); err != nil {
		return Model{}, err
	}
	var model Model
	err := db.InTx(ctx, m.pool, func(tx pgx.Tx) error {
		row, err := m.q.InsertModel(ctx, tx, db.InsertModelParams{
			ID: row.ID, Name: row.Name, Description: row.Description, Strategy: row.Strategy, Enabled: row.Enabled, Unsupported: row.Unsupported,
			BalanceLatency: row.BalanceLatency, BalancePrice: row.BalancePrice, BalanceErrors: row.BalanceErrors,
			Hedge: row.Hedge, RetryBudget: row.RetryBudget, RequestErrors: row.RequestErrors, Multiplier: row.Multiplier,
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
			"name": model.Name, "strategy": model.Strategy, "balance": model.Balance, "unsupported": model.Unsupported,
			"requestErrors": model.RequestErrors, "hedge": model.Hedge, "retryBudget": model.RetryBudget, "multiplier": model.Multiplier,
			"enabled": model.Enabled, "routes": describe(model.Routes),
		})
	})
	if err != nil {
		return Model{}, fmt.Errorf("create model: %w", err)
	}
	return model, nil
}

// row is the model as it is to be stored, with what was left out filled in.
func (in CreateInput) row() db.Model {
	balance, retries := DefaultBalance, DefaultRetryBudget
	if in.Balance != nil {
		balance = *in.Balance
	}
	if in.RetryBudget != nil {
		retries = *in.RetryBudget
	}
	multiplier := pricing.One
	if in.Multiplier != nil {
		multiplier = *in.Multiplier
	}
	return db.Model{
		ID: id.New[id.Model](), Name: in.Name, Description: in.Description, Enabled: !in.Disabled, Hedge: in.Hedge,
		Strategy: string(cmp.Or(in.Strategy, Weighted)), Unsupported: string(cmp.Or(in.Unsupported, Drop)),
		RequestErrors:  string(cmp.Or(in.RequestErrors, Return)),
		BalanceLatency: balance.Latency, BalancePrice: balance.Price, BalanceErrors: balance.Errors,
		RetryBudget: percent(retries), Multiplier: multiplier.Column(),
	}
}

// percent is a number as its column takes it: what is far out of range stays out of range.
func percent(n int) int32 { return int32(max(-1, min(n, 101))) }
