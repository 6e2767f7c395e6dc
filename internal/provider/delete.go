package provider

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
)

// Delete removes a provider. Its keys are erased and the routes to it removed with it, so that a model which used it goes
// on with its other routes; the audit event names the models. The row itself stays, because what was logged names it, and
// its slug becomes free.
func (p *Providers) Delete(ctx context.Context, provider id.Provider) error {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return err
	}
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetProviderForUpdate(ctx, tx, provider)
		if err != nil {
			return err
		}
		if err := maySee(grant, row); err != nil {
			return err
		}
		models, err := p.q.DeleteRoutesOfProvider(ctx, tx, provider)
		if err != nil {
			return fmt.Errorf("remove routes: %w", err)
		}
		if err := p.q.DeleteProviderKeysOfProvider(ctx, tx, provider); err != nil {
			return fmt.Errorf("erase keys: %w", err)
		}
		if err := p.q.SoftDeleteProvider(ctx, tx, provider); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.delete", provider.String(), map[string]any{"slug": row.Slug, "routesOf": models})
	})
	if err != nil {
		return fmt.Errorf("delete provider: %w", err)
	}
	return nil
}
