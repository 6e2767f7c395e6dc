package provider

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
)

const (
	// MaxUnpriced is how many models without a price Unpriced gives.
	MaxUnpriced = 100
	// countUnpriced is how far they are counted.
	countUnpriced = 10_000
)

// An Unpriced is a model in use whose price for input or output nobody told.
type Unpriced struct {
	ProviderID id.Provider
	Slug       string
	UpstreamID string
	ModelID    id.ProviderModel // zero where the provider does not have it and a route names it
	RouteOf    string           // the logical model whose route that is
}

// Unpriced lists the models in use, of providers that the reader may see, whose price for input or output nobody told, and
// counts them up to 10,000. Models that only ever read, as for embeddings, are priced in full by a price of 0 for output.
func (p *Providers) Unpriced(ctx context.Context) (list []Unpriced, total int, err error) {
	grant, err := authz.Require(ctx, authz.ProviderRead)
	if err != nil {
		return nil, 0, err
	}
	var reader *uuid.UUID
	if user := grant.Filter(); user != nil {
		reader = &user.UUID
	}
	rows, err := p.q.ListUnpricedModels(ctx, p.pool, db.ListUnpricedModelsParams{VisibleTo: reader, RowLimit: countUnpriced})
	if err != nil {
		return nil, 0, fmt.Errorf("list unpriced models: %w", db.Classify(err))
	}
	for _, row := range rows[:min(len(rows), MaxUnpriced)] {
		list = append(list, Unpriced(row))
	}
	return list, len(rows), nil
}
