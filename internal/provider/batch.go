package provider

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// maxBatchModels is how many models ModelsOf gives in all.
const maxBatchModels = 20_000

// KeysOf is the keys of several providers, oldest first, by two queries. A provider whose keys are not shown to the actor has
// no entry; one without keys has an empty one.
func (p *Providers) KeysOf(ctx context.Context, providers []id.Provider) (map[id.Provider][]Key, error) {
	grant, rows, err := p.seen(ctx, providers)
	if err != nil {
		return nil, err
	}
	found := map[id.Provider][]Key{}
	var ids []uuid.UUID
	for _, row := range rows {
		if grant.All || owns(grant, row) {
			found[row.ID] = []Key{}
			ids = append(ids, row.ID.UUID)
		}
	}
	keys, err := p.q.ProviderKeysByProviders(ctx, p.pool, db.ProviderKeysByProvidersParams{ProviderIds: ids, RowLimit: MaxBatch * MaxKeys})
	if err != nil {
		return nil, fmt.Errorf("list provider keys: %w", db.Classify(err))
	}
	for _, key := range keys {
		found[key.ProviderID] = append(found[key.ProviderID], keyFromRow(key))
	}
	return found, nil
}

// ModelsOf is what several providers offer, in the order of upstream ids, by two queries. A provider that the actor does not
// see has no entry.
func (p *Providers) ModelsOf(ctx context.Context, providers []id.Provider) (map[id.Provider][]Model, error) {
	_, rows, err := p.seen(ctx, providers)
	if err != nil {
		return nil, err
	}
	found := map[id.Provider][]Model{}
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		found[row.ID] = []Model{}
		ids[i] = row.ID.UUID
	}
	models, err := p.q.ProviderModelsByProviders(ctx, p.pool, db.ProviderModelsByProvidersParams{ProviderIds: ids, RowLimit: maxBatchModels + 1})
	if err != nil {
		return nil, fmt.Errorf("list provider models: %w", db.Classify(err))
	}
	if len(models) > maxBatchModels {
		return nil, fault.New(fault.Invalid, "these providers offer more than %d models: ask for fewer at once", maxBatchModels)
	}
	for _, model := range models {
		found[model.ProviderID] = append(found[model.ProviderID], modelFromRow(model))
	}
	return found, nil
}

// seen is the rows of those providers that the actor sees.
func (p *Providers) seen(ctx context.Context, providers []id.Provider) (authz.Grant, []db.Provider, error) {
	grant, err := authz.Require(ctx, authz.ProviderRead)
	if err != nil {
		return grant, nil, err
	}
	if len(providers) > MaxBatch {
		return grant, nil, fault.New(fault.Invalid, "at most %d providers at once", MaxBatch)
	}
	ids := make([]uuid.UUID, len(providers))
	for i, provider := range providers {
		ids[i] = provider.UUID
	}
	rows, err := p.q.ProvidersByIDs(ctx, p.pool, db.ProvidersByIDsParams{Ids: ids, RowLimit: MaxBatch})
	if err != nil {
		return grant, nil, fmt.Errorf("get providers: %w", db.Classify(err))
	}
	visible := rows[:0]
	for _, row := range rows {
		if maySee(grant, row) == nil {
			visible = append(visible, row)
		}
	}
	return grant, visible, nil
}
