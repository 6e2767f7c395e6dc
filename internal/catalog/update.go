package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/pricing"
)

// UpdateInput changes a model; nil fields stay as they are.
type UpdateInput struct {
	Name          *string
	Description   *string
	Strategy      *Strategy
	Balance       *Balance
	Unsupported   *Unsupported
	RequestErrors *RequestErrors
	Hedge         *bool
	RetryBudget   *int
	Multiplier    *pricing.Factor
	Enabled       *bool
	Routes        *[]RouteInput // all routes: those not in it are removed
}

// Update changes a model. Every node follows within a second.
func (m *Models) Update(ctx context.Context, model id.Model, in UpdateInput) (Model, error) {
	if _, err := authz.Require(ctx, authz.ModelWrite); err != nil {
		return Model{}, err
	}
	if in.Routes != nil {
		if err := checkRoutes(*in.Routes); err != nil {
			return Model{}, err
		}
	}
	var after Model
	err := db.InTx(ctx, m.pool, func(tx pgx.Tx) error {
		row, err := m.q.GetModelForUpdate(ctx, tx, model)
		if err != nil {
			return err
		}
		changes := in.apply(&row)
		if err := check(row); err != nil {
			return err
		}
		row, err = m.q.UpdateModel(ctx, tx, db.UpdateModelParams{
			ID: model, Name: row.Name, Description: row.Description, Strategy: row.Strategy, Enabled: row.Enabled,
			Unsupported: row.Unsupported, BalanceLatency: row.BalanceLatency, BalancePrice: row.BalancePrice, BalanceErrors: row.BalanceErrors,
			Hedge: row.Hedge, RetryBudget: row.RetryBudget, RequestErrors: row.RequestErrors, Multiplier: row.Multiplier,
		})
		if err != nil {
			return named(err)
		}
		if in.Routes != nil {
			if err := m.setRoutes(ctx, tx, model, *in.Routes); err != nil {
				return err
			}
		}
		if after, err = m.one(ctx, tx, row); err != nil {
			return err
		}
		if in.Routes != nil {
			changes["routes"] = describe(after.Routes)
		}
		return m.audit.Record(ctx, tx, "model.update", model.String(), changes)
	})
	if err != nil {
		return Model{}, fmt.Errorf("update model: %w", err)
	}
	return after, nil
}

// apply changes the row and tells what is new, for the audit log.
func (in UpdateInput) apply(row *db.Model) map[string]any {
	changes := map[string]any{}
	if in.Name != nil && *in.Name != row.Name {
		changes["name"] = map[string]string{"from": row.Name, "to": *in.Name}
		row.Name = *in.Name
	}
	set(changes, "description", &row.Description, in.Description)
	if b := in.Balance; b != nil && *b != (Balance{row.BalanceLatency, row.BalancePrice, row.BalanceErrors}) {
		changes["balance"] = *b
		row.BalanceLatency, row.BalancePrice, row.BalanceErrors = b.Latency, b.Price, b.Errors
	}
	if in.RetryBudget != nil {
		set(changes, "retryBudget", &row.RetryBudget, new(percent(*in.RetryBudget)))
	}
	if in.Multiplier != nil && in.Multiplier.Column() != row.Multiplier {
		row.Multiplier, changes["multiplier"] = in.Multiplier.Column(), *in.Multiplier
	}
	set(changes, "strategy", &row.Strategy, (*string)(in.Strategy))
	set(changes, "unsupported", &row.Unsupported, (*string)(in.Unsupported))
	set(changes, "requestErrors", &row.RequestErrors, (*string)(in.RequestErrors))
	set(changes, "hedge", &row.Hedge, in.Hedge)
	set(changes, "enabled", &row.Enabled, in.Enabled)
	return changes
}

// set changes a column, where there is a new value, and notes it.
func set[T comparable](changes map[string]any, name string, column, value *T) {
	if value != nil && *value != *column {
		*column, changes[name] = *value, *value
	}
}
