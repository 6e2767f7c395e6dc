// Package app puts the gateway together: New wires every part, Run starts and drains them. It is used by the commands
// and by tests from end to end.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"aihigress/db"
	"aihigress/graph"
	"aihigress/internal/account"
	"aihigress/internal/affinity"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/backlog"
	"aihigress/internal/catalog"
	"aihigress/internal/config"
	"aihigress/internal/credit"
	"aihigress/internal/egress"
	"aihigress/internal/event"
	"aihigress/internal/health"
	"aihigress/internal/keypool"
	"aihigress/internal/limit"
	"aihigress/internal/notify"
	"aihigress/internal/overload"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
	"aihigress/internal/statement"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/jobs"
	"aihigress/proxy"
)

// Options of New.
type Options struct {
	Config            config.Config
	Log               *slog.Logger
	Version           Version
	LoopbackUpstreams bool // providers may be on this machine without an admin's leave: only for dev
}

// A Gateway is one node, wired.
type Gateway struct {
	options Options
	log     *slog.Logger

	pool  *pgxpool.Pool
	redis redis.UniversalClient

	audit     *audit.Log
	users     *account.Users
	keys      *apikey.Keys
	ledger    *credit.Ledger
	models    *catalog.Models
	book      *catalog.Book
	aliases   *catalog.Aliases
	limits    *quota.Limits
	providers *provider.Providers
	inbox     *notify.Inbox
	egress    *egress.Pools

	snapshots  *snapshot.Store
	bus        *event.Bus
	board      *health.Board
	health     *health.Share
	affinity   *affinity.Table
	gate       *overload.Gate
	memory     *overload.Memory
	watch      *provider.Watch
	limiter    *limit.Limiter
	vendorKeys *keypool.Pool
	spool      *usage.Spool
	meter      *usage.Meter
	booker     *usage.Booker
	leases     *credit.Leases
	upstream   *upstream.Client
	proxy      *proxy.Proxy
	graph      *graph.Handler
	reports    *usage.Reports
	statements *statement.Statements
	jobs       *jobs.Client
	backlog    *backlog.Backlog

	handler     http.Handler
	metrics     http.Handler
	pushing     context.Context // ends when the node drains, and with it what would be pushed forever
	stopPushing func()
	draining    atomic.Bool
}

// New wires a node. Nothing runs yet, but the spool folder is taken and the configuration has been read once.
func New(ctx context.Context, o Options) (_ *Gateway, err error) {
	g := &Gateway{options: o, log: o.Log}
	g.pushing, g.stopPushing = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	keyring, err := secret.NewKeyring(o.Config.Master)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	if g.pool, err = db.Open(ctx, o.Config.DatabaseURL, o.Config.DatabaseConns); err != nil {
		return nil, err
	}
	redisOptions, err := redis.ParseURL(o.Config.RedisURL)
	if err != nil {
		return nil, errors.New("REDIS_URL is not a redis://, rediss:// or unix:// address")
	}
	redisOptions.ContextTimeoutEnabled = true // a decision waits 50 ms for Redis, not for the client's own limits
	redisOptions.MaxRetries = -1              // whoever asks knows better whether to ask again
	redisOptions.Protocol = 2                 // without push messages, for which every answer would be searched
	redisOptions.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	g.redis = redis.NewClient(redisOptions)
	if g.spool, err = usage.OpenSpool(o.Config.SpoolDir, o.Log, usage.MaxBytes(o.Config.SpoolMaxBytes)); err != nil {
		return nil, err
	}
	g.snapshots = snapshot.NewStore(g.pool, o.Config.DatabaseURL, keyring, o.Log)
	if err := g.domains(keyring); err != nil {
		return nil, err
	}
	if err := g.snapshots.Load(ctx); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return g, g.doors(keyring)
}
