package provider

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
	Query     string // part of the slug or name, in any case
	Dialect   string
	Enabled   *bool
	Backwards bool // from the last slug to the first
}

// Get is one provider. Members see public ones and their own.
func (p *Providers) Get(ctx context.Context, provider id.Provider) (Provider, error) {
	grant, err := authz.Require(ctx, authz.ProviderRead)
	if err != nil {
		return Provider{}, err
	}
	row, err := p.q.GetProvider(ctx, p.pool, provider)
	if err != nil {
		return Provider{}, fmt.Errorf("get provider: %w", db.Classify(err))
	}
	if err := maySee(grant, row); err != nil {
		return Provider{}, err
	}
	return p.one(ctx, p.pool, grant, row)
}

// ByIDs is the providers that have these ids and are visible, deleted ones too, in no particular order, by two queries.
func (p *Providers) ByIDs(ctx context.Context, ids []id.Provider) ([]Provider, error) {
	grant, err := authz.Require(ctx, authz.ProviderRead)
	if err != nil {
		return nil, err
	}
	if len(ids) > MaxBatch {
		return nil, fault.New(fault.Invalid, "at most %d providers at once", MaxBatch)
	}
	raw := make([]uuid.UUID, len(ids))
	for i, provider := range ids {
		raw[i] = provider.UUID
	}
	rows, err := p.q.ProvidersByIDs(ctx, p.pool, db.ProvidersByIDsParams{Ids: raw, RowLimit: MaxBatch})
	if err != nil {
		return nil, fmt.Errorf("get providers: %w", db.Classify(err))
	}
	visible := rows[:0]
	for _, row := range rows {
		if maySee(grant, row) == nil {
			visible = append(visible, row)
		}
	}
	return p.complete(ctx, p.pool, grant, visible)
}

// List is a page of the visible providers in the order of their slugs.
func (p *Providers) List(ctx context.Context, f Filter, args page.Args) (page.Page[Provider], error) {
	var none page.Page[Provider]
	grant, err := authz.Require(ctx, authz.ProviderRead)
	if err != nil {
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
	filter := db.ProviderFilter{VisibleTo: grant.Filter(), Query: f.Query, Dialect: f.Dialect, Enabled: f.Enabled, Backwards: f.Backwards}
	rows, err := p.q.ListProviders(ctx, p.pool, filter, after, size+1)
	if err != nil {
		return none, fmt.Errorf("list providers: %w", db.Classify(err))
	}
	n, err := p.q.CountProviders(ctx, p.pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count providers: %w", db.Classify(err))
	}
	providers, err := p.complete(ctx, p.pool, grant, rows)
	if err != nil {
		return none, err
	}
	result := page.New(providers, size, func(v Provider) string { return page.Encode(v.Slug) })
	result.Total = page.Counted(n)
	return result, nil
}
