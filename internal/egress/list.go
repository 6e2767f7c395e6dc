package egress

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

// Get is one pool.
func (p *Pools) Get(ctx context.Context, pool id.EgressPool) (Pool, error) {
	if _, err := authz.Require(ctx, authz.EgressRead); err != nil {
		return Pool{}, err
	}
	row, err := p.q.GetEgressPool(ctx, p.pool, pool)
	if err != nil {
		return Pool{}, fmt.Errorf("get egress pool: %w", db.Classify(err))
	}
	return p.one(ctx, p.pool, row)
}

// ByIDs is the pools that have these ids, in no particular order, by two queries.
func (p *Pools) ByIDs(ctx context.Context, pools []id.EgressPool) ([]Pool, error) {
	if _, err := authz.Require(ctx, authz.EgressRead); err != nil {
		return nil, err
	}
	ids, err := plain(pools)
	if err != nil {
		return nil, err
	}
	rows, err := p.q.EgressPoolsByIDs(ctx, p.pool, db.EgressPoolsByIDsParams{Ids: ids, RowLimit: MaxPools})
	if err != nil {
		return nil, fmt.Errorf("get egress pools: %w", db.Classify(err))
	}
	return p.complete(ctx, p.pool, rows)
}

// A Filter cuts the list. Zero fields do not cut.
type Filter struct {
	Query     string // part of the name, in any case
	Backwards bool   // from the last name to the first
}

// List is a page of the pools in the order of their names.
func (p *Pools) List(ctx context.Context, f Filter, args page.Args) (page.Page[Pool], error) {
	var none page.Page[Pool]
	if _, err := authz.Require(ctx, authz.EgressRead); err != nil {
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
	filter := db.EgressPoolFilter{Query: f.Query, Backwards: f.Backwards}
	rows, err := p.q.ListEgressPools(ctx, p.pool, filter, after, size+1)
	if err != nil {
		return none, fmt.Errorf("list egress pools: %w", db.Classify(err))
	}
	n, err := p.q.CountEgressPools(ctx, p.pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count egress pools: %w", db.Classify(err))
	}
	pools, err := p.complete(ctx, p.pool, rows)
	if err != nil {
		return none, err
	}
	result := page.New(pools, size, func(v Pool) string { return page.Encode(v.Name) })
	result.Total = page.Counted(n)
	return result, nil
}

// ProxiesOf is the proxies of several pools, oldest first, by one query.
func (p *Pools) ProxiesOf(ctx context.Context, pools []id.EgressPool) (map[id.EgressPool][]Proxy, error) {
	if _, err := authz.Require(ctx, authz.EgressRead); err != nil {
		return nil, err
	}
	ids, err := plain(pools)
	if err != nil {
		return nil, err
	}
	rows, err := p.q.EgressProxiesByPools(ctx, p.pool, db.EgressProxiesByPoolsParams{PoolIds: ids, RowLimit: MaxPools * MaxProxies})
	if err != nil {
		return nil, fmt.Errorf("list egress proxies: %w", db.Classify(err))
	}
	found := make(map[id.EgressPool][]Proxy, len(pools))
	for _, pool := range pools {
		found[pool] = []Proxy{}
	}
	for _, row := range rows {
		found[row.EgressProxy.PoolID] = append(found[row.EgressProxy.PoolID], proxyFromRow(row))
	}
	return found, nil
}

func plain(pools []id.EgressPool) ([]uuid.UUID, error) {
	if len(pools) > MaxPools {
		return nil, fault.New(fault.Invalid, "at most %d egress pools at once", MaxPools)
	}
	ids := make([]uuid.UUID, len(pools))
	for i, pool := range pools {
		ids[i] = pool.UUID
	}
	return ids, nil
}
