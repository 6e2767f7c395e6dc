package egress

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/reach"
	"aihigress/internal/secret"
)

// UpdateInput changes a pool; nil fields stay as they are.
type UpdateInput struct {
	Name        *string
	Choice      *Choice
	AllowDirect *bool
	AllowHosts  *[]string // all of them: those not in it are removed
	List        *secret.Text
	ListPlain   *bool
	Add         []secret.Text    // proxies, with their credentials; those that are there are left as they are
	Remove      []id.EgressProxy // proxies; one of the list comes back when that is read again
}

// Update changes a pool. Every node follows within a second. Calls under way keep their connections.
func (p *Pools) Update(ctx context.Context, pool id.EgressPool, in UpdateInput) (Pool, error) {
	if _, err := authz.Require(ctx, authz.EgressWrite); err != nil {
		return Pool{}, err
	}
	added, err := parseAll("addProxies", in.Add)
	if err != nil {
		return Pool{}, err
	}
	var after Pool
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetEgressPoolForUpdate(ctx, tx, pool)
		if err != nil {
			return err
		}
		changes, err := p.apply(in, &row)
		if err != nil {
			return err
		}
		if row, err = p.q.UpdateEgressPool(ctx, tx, db.UpdateEgressPoolParams{
			ID: row.ID, Name: row.Name, Choice: row.Choice, AllowDirect: row.AllowDirect, AllowHosts: row.AllowHosts,
			ListHost: row.ListHost, ListPlain: row.ListPlain, ListKeyID: row.ListKeyID, ListSealed: row.ListSealed,
		}); err != nil {
			return named(err)
		}
		if err := p.exchange(ctx, tx, row, in.Remove, added, changes); err != nil {
			return err
		}
		if err := p.enqueueTx(ctx, tx, row, time.Now()); err != nil {
			return err
		}
		if after, err = p.one(ctx, tx, row); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "egress.update", pool.String(), changes)
	})
	if err != nil {
		return Pool{}, fmt.Errorf("update egress pool: %w", err)
	}
	return after, nil
}

// apply changes the row and tells what is new, for the audit log.
func (p *Pools) apply(in UpdateInput, row *db.EgressPool) (map[string]any, error) {
	changes := map[string]any{}
	set(changes, "name", &row.Name, in.Name)
	set(changes, "choice", &row.Choice, (*string)(in.Choice))
	set(changes, "allowDirect", &row.AllowDirect, in.AllowDirect)
	set(changes, "listPlain", &row.ListPlain, in.ListPlain)
	if in.AllowHosts != nil {
		hosts, err := reach.Normal("allowHosts", *in.AllowHosts)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(hosts, row.AllowHosts) {
			changes["allowHosts"] = map[string]any{"from": row.AllowHosts, "to": hosts}
			row.AllowHosts = hosts
		}
	}
	if in.List != nil {
		before := row.ListHost
		if err := p.setList(row, *in.List); err != nil {
			return nil, err
		}
		changes["list"] = map[string]any{"from": before, "to": row.ListHost}
	}
	return changes, checkRow(*row)
}

// exchange removes proxies of a pool and adds others. Without a list there are none of the list.
func (p *Pools) exchange(ctx context.Context, tx pgx.Tx, row db.EgressPool, remove []id.EgressProxy, add []address, changes map[string]any) error {
	present, err := p.opened(ctx, tx, row.ID)
	if err != nil {
		return err
	}
	var gone []uuid.UUID
	var left []opened
	removed := []string{}
	for _, proxy := range present {
		if slices.Contains(remove, proxy.ID) || proxy.Source == Listed && row.ListHost == "" {
			gone = append(gone, proxy.ID.UUID)
			removed = append(removed, proxy.Address)
			continue
		}
		left = append(left, proxy)
	}
	add = slices.DeleteFunc(add, func(a address) bool {
		return slices.ContainsFunc(left, func(o opened) bool { return o.url.Reveal() == a.url.Reveal() })
	})
	if len(left)+len(add) > MaxProxies {
		return fault.Field("addProxies", "a pool has at most %d proxies", MaxProxies)
	}
	if row.ListHost == "" {
		if err := p.q.DeleteEgressList(ctx, tx, row.ID); err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		if err := p.q.DeleteEgressProxies(ctx, tx, db.DeleteEgressProxiesParams{PoolID: row.ID, Ids: gone}); err != nil {
			return err
		}
		changes["removed"] = removed[:min(len(removed), 50)]
	}
	if len(add) > 0 {
		changes["added"] = shown(add)
	}
	return p.insertAll(ctx, tx, row.ID, Manual, add)
}

// An opened proxy is one whose address is in the clear; empty where it does not open.
type opened struct {
	Proxy
	url secret.Text
}

// opened is the proxies of a pool, with their credentials.
func (p *Pools) opened(ctx context.Context, tx db.DBTX, pool id.EgressPool) ([]opened, error) {
	rows, err := p.q.EgressProxiesByPools(ctx, tx, db.EgressProxiesByPoolsParams{PoolIds: []uuid.UUID{pool.UUID}, RowLimit: MaxProxies})
	if err != nil {
		return nil, fmt.Errorf("read proxies: %w", db.Classify(err))
	}
	all := make([]opened, len(rows))
	for i, row := range rows {
		all[i].Proxy = proxyFromRow(row)
		proxy := row.EgressProxy
		if all[i].url, err = p.keyring.Open(proxy.UrlSealed, proxy.UrlKeyID, ProxyPlace(proxy.ID)); err != nil {
			p.log.Error("an egress proxy's address does not open", "pool", pool, "proxy", proxy.ID, "error", err)
		}
	}
	return all, nil
}

// set gives a field its new value, where there is one, and notes it where it differs.
func set[T comparable](changes map[string]any, name string, field, to *T) {
	if to == nil || *to == *field {
		return
	}
	changes[name] = map[string]any{"from": *field, "to": *to}
	*field = *to
}

// Delete removes a pool that no provider uses.
func (p *Pools) Delete(ctx context.Context, pool id.EgressPool) error {
	if _, err := authz.Require(ctx, authz.EgressWrite); err != nil {
		return err
	}
	err := db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetEgressPoolForUpdate(ctx, tx, pool)
		if err != nil {
			return err
		}
		if err := p.q.DeleteEgressPool(ctx, tx, pool); err != nil {
			if db.Violates(err, "providers_egress_pool_id_fkey") {
				return fault.Wrap(err, fault.Conflict, "providers use this egress pool: give them another one first")
			}
			return err
		}
		return p.audit.Record(ctx, tx, "egress.delete", pool.String(), map[string]any{"name": row.Name})
	})
	if err != nil {
		return fmt.Errorf("delete egress pool: %w", err)
	}
	return nil
}
