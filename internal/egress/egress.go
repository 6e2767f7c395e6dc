// Package egress holds the pools of proxies that calls of providers leave through: by hand, or from a list elsewhere that is
// read again and again. How a call chooses among them is package upstream's.
package egress

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

// A Choice says which proxy of a pool a call takes.
type Choice string

// The choices.
const (
	Random     Choice = "random"
	RoundRobin Choice = "round_robin" // in turn, on each node
	// Sticky gives each key of a provider a proxy of its own, as long as that works, on all nodes the same: a vendor sees an
	// account always come from one address.
	Sticky Choice = "sticky"
)

// Valid reports whether the choice is known.
func (c Choice) Valid() bool { return c == Random || c == RoundRobin || c == Sticky }

// A Source says where a proxy comes from.
type Source string

// The sources.
const (
	Manual Source = "manual" // entered by an admin
	Listed Source = "list"   // in the pool's list when that was last read
)

// A Pool is a set of proxies.
type Pool struct {
	ID            id.EgressPool
	Name          string // unique
	Choice        Choice
	AllowDirect   bool       // where no proxy works, calls go out without one
	AllowHosts    []string   // hosts and ranges where proxies and the list may be besides public ones; see package reach
	ListHost      string     // scheme and host of the list's address, the rest of which may be a secret; "" is none
	ListPlain     bool       // the list may be read over http
	ListFetchedAt *time.Time // when it was last tried
	ListError     string     // why that brought nothing, or not all; safe to show
	CreatedAt     time.Time
}

// A Proxy is one proxy of a pool. Its credentials never leave the package but inside a Trial and the snapshot.
type Proxy struct {
	ID        id.EgressProxy
	PoolID    id.EgressPool
	Source    Source
	Address   string // scheme, host and port
	Hint      string // the password's last characters; "" where it takes none
	State     provider.State
	Latency   time.Duration // of the last check
	Error     string        // why it is unhealthy; safe to show
	CheckedAt *time.Time    // nil where it was never checked
	ChangedAt *time.Time    // when the state became what it is
	CreatedAt time.Time
}

// Pools keeps the pools.
type Pools struct {
	pool    *pgxpool.Pool
	q       *db.Queries
	audit   *audit.Log
	keyring *secret.Keyring
	jobs    provider.Inserter
	caller  Caller
	log     *slog.Logger
}

// A Caller goes out. Failures have the kind Upstream and a message that is safe to show.
type Caller interface {
	// ReadList reads a list of proxies, of at most MaxList bytes, from where a guard lets it.
	ReadList(ctx context.Context, list secret.Text, allowHosts []string) ([]byte, error)
	// TryProxy goes through a proxy to the first of the targets that can be reached so; to the proxy alone, where there is none.
	TryProxy(ctx context.Context, t Trial) (latency time.Duration, err error)
}

// Options are what Pools need. All are required but the log.
type Options struct {
	Pool     *pgxpool.Pool
	Audit    *audit.Log
	Keyring  *secret.Keyring
	Inserter provider.Inserter
	Caller   Caller
	Log      *slog.Logger // nil is slog's default
}

// New makes Pools.
func New(o Options) *Pools {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Pools{pool: o.Pool, q: db.New(), audit: o.Audit, keyring: o.Keyring, jobs: o.Inserter, caller: o.Caller, log: o.Log}
}

// ProxyPlace is where a proxy's address with its credentials stands, as secret.Keyring binds it.
func ProxyPlace(proxy id.EgressProxy) string { return "egress_proxies/" + proxy.String() }

// listPlace is where the address of a pool's list stands.
func listPlace(pool id.EgressPool) string { return "egress_pools/" + pool.String() }

// complete makes pools of rows, with what is known of their lists by one query more.
func (p *Pools) complete(ctx context.Context, tx db.DBTX, rows []db.EgressPool) ([]Pool, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(rows))
	pools := make([]Pool, len(rows))
	at := make(map[id.EgressPool]*Pool, len(rows))
	for i, row := range rows {
		ids[i], pools[i] = row.ID.UUID, fromRow(row)
		at[row.ID] = &pools[i]
	}
	lists, err := p.q.EgressListsByPools(ctx, tx, db.EgressListsByPoolsParams{PoolIds: ids, RowLimit: MaxPools})
	if err != nil {
		return nil, fmt.Errorf("read lists: %w", db.Classify(err))
	}
	for _, list := range lists {
		at[list.PoolID].ListError, at[list.PoolID].ListFetchedAt = list.Error, &list.FetchedAt
	}
	return pools, nil
}

// one is complete for one row.
func (p *Pools) one(ctx context.Context, tx db.DBTX, row db.EgressPool) (Pool, error) {
	pools, err := p.complete(ctx, tx, []db.EgressPool{row})
	if err != nil {
		return Pool{}, err
	}
	return pools[0], nil
}

func fromRow(row db.EgressPool) Pool {
	return Pool{
		ID: row.ID, Name: row.Name, Choice: Choice(row.Choice), AllowDirect: row.AllowDirect, AllowHosts: row.AllowHosts,
		ListHost: row.ListHost, ListPlain: row.ListPlain, CreatedAt: row.CreatedAt,
	}
}

func proxyFromRow(row db.EgressProxiesByPoolsRow) Proxy {
	proxy := Proxy{
		ID: row.EgressProxy.ID, PoolID: row.EgressProxy.PoolID, Source: Source(row.EgressProxy.Source), Address: row.EgressProxy.Address,
		Hint: row.EgressProxy.Hint, State: provider.Unknown, CreatedAt: row.EgressProxy.CreatedAt,
	}
	if row.Healthy == nil {
		return proxy
	}
	if proxy.State = provider.Unhealthy; *row.Healthy {
		proxy.State = provider.Healthy
	}
	proxy.Latency, proxy.Error = time.Duration(*row.LatencyUs)*time.Microsecond, *row.Error
	proxy.CheckedAt, proxy.ChangedAt = row.CheckedAt, row.ChangedAt
	return proxy
}
