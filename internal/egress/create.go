package egress

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/reach"
	"aihigress/internal/secret"
)

// CreateInput is a new pool.
type CreateInput struct {
	Name        string
	Choice      Choice // "" is Random
	AllowDirect bool
	AllowHosts  []string
	List        secret.Text // the address of a list; empty is none
	ListPlain   bool
	Proxies     []secret.Text // with their credentials
}

// Create makes a pool with its proxies, and has its list read and its proxies checked soon after.
func (p *Pools) Create(ctx context.Context, in CreateInput) (Pool, error) {
	if _, err := authz.Require(ctx, authz.EgressWrite); err != nil {
		return Pool{}, err
	}
	row, err := p.row(in)
	if err != nil {
		return Pool{}, err
	}
	added, err := parseAll("proxies", in.Proxies)
	if err != nil {
		return Pool{}, err
	}
	var made Pool
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		n, err := p.q.CountEgressPools(ctx, tx, db.EgressPoolFilter{}, MaxPools)
		if err != nil {
			return err
		}
		if n >= MaxPools {
			return fault.New(fault.Conflict, "there are %d egress pools already", MaxPools)
		}
		row, err := p.q.InsertEgressPool(ctx, tx, db.InsertEgressPoolParams{
			ID: row.ID, Name: row.Name, Choice: row.Choice, AllowDirect: row.AllowDirect, AllowHosts: row.AllowHosts,
			ListHost: row.ListHost, ListPlain: row.ListPlain, ListKeyID: row.ListKeyID, ListSealed: row.ListSealed,
		})
		if err != nil {
			return named(err)
		}
		if err := p.insertAll(ctx, tx, row.ID, Manual, added); err != nil {
			return err
		}
		if err := p.enqueueTx(ctx, tx, row, time.Now()); err != nil {
			return err
		}
		made = fromRow(row)
		return p.audit.Record(ctx, tx, "egress.create", row.ID.String(), map[string]any{
			"name": row.Name, "choice": row.Choice, "allowDirect": row.AllowDirect, "allowHosts": row.AllowHosts, "list": row.ListHost,
			"listPlain": row.ListPlain, "proxies": shown(added),
		})
	})
	if err != nil {
		return Pool{}, fmt.Errorf("create egress pool: %w", err)
	}
	return made, nil
}

// row is the checked input.
func (p *Pools) row(in CreateInput) (db.EgressPool, error) {
	hosts, err := reach.Normal("allowHosts", in.AllowHosts)
	if err != nil {
		return db.EgressPool{}, err
	}
	row := db.EgressPool{
		ID: id.New[id.EgressPool](), Name: in.Name, Choice: string(in.Choice), AllowDirect: in.AllowDirect, AllowHosts: hosts, ListPlain: in.ListPlain,
	}
	if in.Choice == "" {
		row.Choice = string(Random)
	}
	if err := p.setList(&row, in.List); err != nil {
		return db.EgressPool{}, err
	}
	return row, checkRow(row)
}

// setList gives a pool another list; an empty one is none.
func (p *Pools) setList(row *db.EgressPool, list secret.Text) error {
	if list.Empty() {
		row.ListHost, row.ListKeyID, row.ListSealed = "", "", nil
		return nil
	}
	clean, host, err := checkList(list)
	if err != nil {
		return err
	}
	row.ListHost, row.ListKeyID, row.ListSealed = host, p.keyring.ID(), p.keyring.Seal(clean, listPlace(row.ID))
	return nil
}

// insertAll adds proxies to a pool.
func (p *Pools) insertAll(ctx context.Context, tx pgx.Tx, pool id.EgressPool, source Source, added []address) error {
	for _, a := range added {
		proxy := id.New[id.EgressProxy]()
		err := p.q.InsertEgressProxy(ctx, tx, db.InsertEgressProxyParams{
			ID: proxy, PoolID: pool, Source: string(source), Address: a.shown, Hint: a.hint,
			UrlKeyID: p.keyring.ID(), UrlSealed: p.keyring.Seal(a.url, ProxyPlace(proxy)),
		})
		if err != nil {
			return fmt.Errorf("add proxy: %w", err)
		}
	}
	return nil
}

// parseAll reads the proxies of a field, each once.
func parseAll(field string, texts []secret.Text) ([]address, error) {
	if len(texts) > MaxProxies {
		return nil, fault.Field(field, "a pool has at most %d proxies", MaxProxies)
	}
	all := make([]address, 0, len(texts))
	seen := map[string]bool{}
	for i, text := range texts {
		a, err := parseAddress(text.Reveal())
		if err != nil {
			refused := *err
			refused.Path = []string{field, strconv.Itoa(i)}
			return nil, &refused
		}
		if !seen[a.url.Reveal()] {
			seen[a.url.Reveal()] = true
			all = append(all, a)
		}
	}
	return all, nil
}

// shown is proxies as the audit log keeps them, which has room for some.
func shown(all []address) []string {
	const most = 50
	list := make([]string, 0, min(len(all), most+1))
	for i, a := range all {
		if i == most {
			list = append(list, "and "+strconv.Itoa(len(all)-most)+" more")
			break
		}
		list = append(list, a.shown)
	}
	return list
}

// named turns a name that is taken into a failure of its field.
func named(err error) error {
	if !db.Violates(err, "egress_pools_name_key") {
		return err
	}
	taken := fault.Wrap(err, fault.Conflict, "there is an egress pool of this name already")
	taken.Path = []string{"name"}
	return taken
}
