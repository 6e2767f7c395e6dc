package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"aihigress/graph"
	"aihigress/internal/account"
	"aihigress/internal/affinity"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/auth"
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
	"aihigress/internal/pin"
	"aihigress/internal/plan"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/secret"
	"aihigress/internal/statement"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/internal/web"
	"aihigress/jobs"
	"aihigress/proxy"
	"aihigress/views"
)

// domains makes what the doors stand on.
func (g *Gateway) domains(keyring *secret.Keyring) error {
	g.bus = event.New(g.redis, g.log)
	g.audit = audit.New(g.pool)
	g.ledger = credit.New(g.pool, g.audit)
	g.leases = credit.NewLeases(g.pool, g.spool.Node(), g.log, time.Now)
	g.users = account.New(g.pool, g.audit, g.ledger)
	g.keys = apikey.New(g.pool, g.audit)
	g.models = catalog.New(g.pool, g.audit)
	g.aliases = catalog.NewAliases(g.pool, g.audit)
	g.limiter = limit.New(g.redis, g.log, time.Now)
	g.limits = quota.New(g.pool, g.audit, g.limiter)
	g.vendorKeys = keypool.New(g.limiter, g.bus, time.Now)
	g.board = health.New(health.Options{OnChange: g.healthChanged})
	g.health = health.NewShare(g.board, g.bus)
	g.affinity = affinity.New()
	g.gate = overload.New(overload.Options{Now: g.board.Now})
	g.memory = newMemory(g.options.Config.MemoryLimit, g.log)
	g.upstream = upstream.New(upstream.Options{
		UserAgent: "aihigress/" + g.options.Version.Version, AllowLoopback: g.options.LoopbackUpstreams,
		Config: g.snapshots,
	})
	inserter, err := jobs.NewInserter(g.pool)
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	g.backlog = backlog.New(g.pool, inserter, g.audit)
	g.inbox = notify.New(notify.Options{
		Pool: g.pool, Audit: g.audit, Keyring: keyring, Inserter: inserter, Bus: g.bus, Poster: g.upstream, Log: g.log,
	})
	g.book = catalog.NewBook(catalog.BookOptions{
		Pool: g.pool, Audit: g.audit, Reader: g.upstream, CreditsPerDollar: g.options.Config.Dollar, Log: g.log,
		Source: catalog.Source{Address: secret.NewText(g.options.Config.PriceCatalogURL), AllowHosts: g.options.Config.PriceCatalogHosts},
	})
	g.providers = provider.New(provider.Options{
		Pool: g.pool, Audit: g.audit, Keyring: keyring, Inserter: inserter, Bus: g.bus, Caller: g.upstream, Book: g.book, Notify: g.inbox, Log: g.log,
	})
	g.watch = provider.NewWatch(g.providers, g.health.Subscribe, g.log)
	g.egress = egress.New(egress.Options{
		Pool: g.pool, Audit: g.audit, Keyring: keyring, Inserter: inserter, Caller: g.upstream, Log: g.log,
	})
	g.meter = usage.NewMeter(g.spool, g.bus)
	g.booker = usage.NewBooker(usage.BookerOptions{
		Pool: g.pool, Spool: g.spool, Ledger: g.ledger, Leases: g.leases, Bus: g.bus, Log: g.log,
	})
	g.reports = usage.NewReports(g.pool, g.bus)
	g.statements = statement.New(g.pool, g.options.Config.Dollar)
	return nil
}

// doors makes the four ways in and mounts them on one handler.
func (g *Gateway) doors(keyring *secret.Keyring) (err error) {
	o := g.options
	signIn := auth.New(auth.Options{
		Pool: g.pool, Users: g.users, Audit: g.audit, Keyring: keyring, Log: g.log, Secure: o.Config.SecureCookies(),
		State: func() auth.State { return g.snapshots.Current() },
	})
	g.jobs, err = jobs.New(jobs.Options{
		Pool: g.pool, Log: g.log, Providers: g.providers, Egress: g.egress, Ledger: g.ledger, Reports: g.reports, Sessions: signIn, Inbox: g.inbox,
		Retention: o.Config.RequestRetention, PriceCatalog: o.Config.PriceCatalogURL != "",
	})
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	g.proxy = proxy.New(proxy.Options{
		Config: g.snapshots, Limits: g.limiter, Credit: proxy.Leases(g.leases), Budgets: proxy.NodeBudgets(credit.NewBudgets(g.leases)), Meter: g.meter, Upstream: g.upstream, Log: g.log,
		Health: g.board, Keys: g.vendorKeys, Gate: g.gate, Memory: g.memory, Affinity: g.affinity, Pins: pin.New(g.redis, g.log),
		MaxBody: o.Config.MaxBodyBytes, MaxBodies: maxBodies(g.memory),
		MaxUpload: o.Config.MaxUploadBytes, MaxSpooled: o.Config.MaxUploadDisk,
		RefuseUnpriced: o.Config.Unpriced == config.UnpricedRefuse,
	})
	codes := credit.NewCodes(g.ledger, g.limiter)
	planner := plan.New(g.keys, g.snapshots, g.board, g.vendorKeys)
	console := views.New(views.Options{
		Auth: signIn, Users: g.users, Keys: g.keys, Ledger: g.ledger, Codes: codes, Models: g.models, Book: g.book, Aliases: g.aliases, Limits: g.limits, Providers: g.providers, Egress: g.egress,
		Reports: g.reports, Statements: g.statements, Audit: g.audit, Inbox: g.inbox, Health: g.board, Changes: g.health, Loads: g.gate.Loads, Room: g.vendorKeys,
		Planner: planner, Backlog: g.backlog, PublicURL: o.Config.PublicURL, Conns: int(o.Config.DatabaseConns), Log: g.log,
		Draining: g.pushing.Done(),
	})
	g.graph = graph.New(graph.Options{
		Auth: signIn, Users: g.users, Keys: g.keys, Ledger: g.ledger, Codes: codes, Models: g.models, Book: g.book, Aliases: g.aliases, Limits: g.limits, Providers: g.providers, Egress: g.egress,
		Reports: g.reports, Statements: g.statements, Audit: g.audit, Snapshots: g.snapshots, Bus: g.bus, Inbox: g.inbox,
		Health: g.board, Planner: planner, Changes: g.health, Gate: g.gate, Room: g.vendorKeys,
	})

	g.metrics = g.newMetrics()
	mux := http.NewServeMux()
	mux.Handle("/v1/", g.proxy)
	mux.Handle("/v1beta/", g.proxy) // Gemini's
	mux.Handle(graph.Path, g.untilDrain(g.graph))
	mux.Handle(graph.Path+"/", g.graph) // the files of its page
	mux.Handle("/", console)
	g.mountHealth(mux)
	if o.Config.MetricsListen == "" {
		mux.Handle("GET /metrics", g.platformKeyOnly(g.metrics))
	}
	g.handler = web.Wrap(mux, web.Options{Log: g.log, Proxies: o.Config.Proxies})
	return nil
}

// healthChanged tells of a circuit that this node's traffic changed: once, and not of every failure.
func (g *Gateway) healthChanged(c health.Change) {
	attrs := []any{"provider", c.Place.Provider, "scope", c.Place.Scope}
	if c.Place.Model != "" {
		attrs = append(attrs, "model", c.Place.Model)
	}
	if !c.Place.Key.IsZero() {
		attrs = append(attrs, "provider_key", c.Place.Key)
	}
	switch {
	case c.Again:
	case c.Open != nil:
		g.log.Warn("a provider's circuit is open", append(attrs, "reason", c.Open.Why, "until", c.Open.Until)...)
	default:
		g.log.Info("a provider's circuit is closed", attrs...)
	}
	g.health.Tell(context.Background(), c)
}

// untilDrain ends GraphQL's event streams and WebSockets when the node drains: they would go on forever, and their clients
// connect again elsewhere. Everything else may finish. The console ends its own streams: what its pages accept does not
// tell them from the rest.
func (g *Gateway) untilDrain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" || strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(g.pushing, cancel)()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}
