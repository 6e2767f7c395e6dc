package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
)

// Delete removes a model and its routes. Requests that were made keep its name.
func (m *Models) Delete(ctx context.Context, model id.Model) error {
	if _, err := authz.Require(ctx, authz.ModelWrite); err != nil {
		return err
	}
	err := db.InTx(ctx, m.pool, func(tx pgx.Tx) error {
		row, err := m.q.GetModelForUpdate(ctx, tx, model)
		if err != nil {
			return err
		}
		if _, err := m.q.DeleteModel(ctx, tx, model); err != nil {
			return err
		}
		return m.audit.Record(ctx, tx, "model.delete", model.String(), map[string]any{"name": row.Name})
	})
	if err != nil {
		return fmt.Errorf("delete model: %w", err)
	}
	return nil
}
