package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// RefreshPrices has the price catalogue read (catalog.Book.Refresh), and the models of providers follow it. Prices that were
// set by hand stay.
func (p *Providers) RefreshPrices(ctx context.Context) (catalog.Refresh, error) {
	if _, err := authz.Require(ctx, authz.PriceWrite); err != nil {
		return catalog.Refresh{}, err
	}
	done, err := p.book.Refresh(ctx)
	if err != nil {
		return done, err
	}
	// Also where the catalogue said nothing new: a node may have died after the last time.
	repriced, err := p.reprice(ctx)
	if err != nil {
		return done, err
	}
	if repriced == 0 {
		return done, nil
	}
	return p.book.Repriced(ctx, repriced)
}

// reprice has the models of all providers with a preset follow the price book, and counts those whose price changed.
func (p *Providers) reprice(ctx context.Context) (n int, err error) {
	var after id.Provider
	for {
		ids, err := p.q.PresetProviderIDs(ctx, p.pool, db.PresetProviderIDsParams{After: after, RowLimit: MaxBatch})
		if err != nil {
			return n, fmt.Errorf("list providers: %w", db.Classify(err))
		}
		for _, provider := range ids {
			found, err := p.follow(ctx, provider)
			if err != nil {
				return n, fmt.Errorf("reprice models of %s: %w", provider, err)
			}
			n += len(found.Repriced)
		}
		if len(ids) < MaxBatch {
			return n, nil
		}
		after = ids[len(ids)-1]
	}
}

// follow has the models of one provider follow the price book. It writes only what differs, as merge does.
func (p *Providers) follow(ctx context.Context, provider id.Provider) (found Discovery, err error) {
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetProviderForUpdate(ctx, tx, provider)
		if err != nil {
			return err
		}
		vendor, err := p.book.Vendor(ctx, tx, row.PresetID)
		if err != nil {
			return err
		}
		models, err := p.q.ProviderModelsByProvider(ctx, tx, db.ProviderModelsByProviderParams{ProviderID: provider, RowLimit: MaxModels})
		if err != nil {
			return err
		}
		for _, model := range models {
			if !found.follow(&model, vendor) {
				continue
			}
			if _, err := p.writeModel(ctx, tx, model); err != nil {
				return err
			}
		}
		if len(found.Repriced) == 0 {
			return nil
		}
		return p.audit.Record(ctx, tx, "provider.reprice", provider.String(), map[string]int{"repriced": len(found.Repriced)})
	})
	if errors.Is(err, fault.NotFound) {
		return Discovery{}, nil // deleted meanwhile
	}
	return found, err
}
