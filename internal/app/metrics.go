package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"aihigress/internal/apikey"
	"aihigress/internal/overload"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/web"
)

// newMetrics is what /metrics answers. Everything is read when it is asked for, so that a request pays nothing for it.
func (g *Gateway) newMetrics() http.Handler {
	r := prometheus.NewRegistry()
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aihigress_" + name, Help: help}, value))
	}
	counter := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "aihigress_" + name, Help: help}, value))
	}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	v := g.options.Version
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "aihigress_build_info", Help: "Which build this is.", ConstLabels: prometheus.Labels{"version": v.Version, "commit": v.Commit},
	}, func() float64 { return 1 }))

	gauge("snapshot_revision", "Loads of the configuration in this process.", func() float64 { return float64(g.snapshots.Current().Revision) })
	gauge("snapshot_age_seconds", "Since the configuration was last read.", func() float64 { return time.Since(g.snapshots.Current().LoadedAt).Seconds() })
	counter("unauthenticated_total", "Calls without a valid key.", func() float64 { return float64(g.proxy.Unauthenticated()) })
	gauge("requests_in_flight", "Calls under way.", func() float64 { return float64(g.meter.InFlight()) })
	gauge("attempts_in_flight", "Attempts that hold a slot of their target.", func() float64 { return float64(g.gate.Totals().InFlight) })
	gauge("calls_waiting", "Calls that wait for a target with a free slot.", func() float64 { return float64(g.gate.Totals().Waiting) })
	gauge("targets_limited", "Targets whose limit of attempts in flight is lowered by a sign of overload.", func() float64 { return float64(g.gate.Totals().Limited) })
	shed := func(cause string, value func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "aihigress_calls_shed_total", Help: "Calls refused for overload, by cause.", ConstLabels: prometheus.Labels{"cause": cause},
		}, value))
	}
	for _, cause := range overload.Causes {
		shed(cause.String(), func() float64 { return float64(g.gate.Totals().Refused[cause]) })
	}
	shed("memory", func() float64 { return float64(g.memory.Refused()) })
	gauge("memory_limit_bytes", "Of this process; 0 is none.", func() float64 { return float64(g.memory.Limit()) })
	gauge("spool_bytes", "What the spool takes on the disk. Above a few segments of 16 MiB booking lags behind.", func() float64 { return float64(g.spool.Bytes()) })
	gauge("spool_full", "1 while calls are refused since the spool has SPOOL_MAX_BYTES.", func() float64 {
		if g.spool.Full() {
			return 1
		}
		return 0
	})
	counter("spool_booked_total", "Requests booked from the spool.", func() float64 { return float64(g.booker.Stats().Booked) })
	counter("spool_damaged_total", "Records of the spool that could not be read.", func() float64 { return float64(g.booker.Stats().Damaged) })
	counter("spool_quarantined_total", "Records that Postgres refuses, set aside.", func() float64 { return float64(g.booker.Stats().Quarantined) })
	gauge("postgres_connections", "Connections of the pool.", func() float64 { return float64(g.pool.Stat().TotalConns()) })
	gauge("postgres_connections_busy", "Connections of the pool in use.", func() float64 { return float64(g.pool.Stat().AcquiredConns()) })
	r.MustRegister(connections{g.upstream})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// connections are the counters of connections to providers. Their labels are as many as upstream counts apart.
type connections struct{ upstream *upstream.Client }

var connectionsTotal = prometheus.NewDesc("aihigress_upstream_connections_total",
	"Connections that calls to providers took: new ones, and ones that were there.", []string{"provider", "state"}, nil)

func (connections) Describe(d chan<- *prometheus.Desc) { d <- connectionsTotal }

func (c connections) Collect(m chan<- prometheus.Metric) {
	for _, n := range c.upstream.Connections() {
		m <- prometheus.MustNewConstMetric(connectionsTotal, prometheus.CounterValue, float64(n.New), n.Provider, "new")
		m <- prometheus.MustNewConstMetric(connectionsTotal, prometheus.CounterValue, float64(n.Reused), n.Provider, "reused")
	}
}

// serveMetrics serves /metrics, and Go's profiles below /debug/pprof/, on a listener of its own where the configuration
// names one, as a part of work until it is closed; else it returns nil. The listener is for operators: nobody is asked
// who they are.
func (g *Gateway) serveMetrics(ctx context.Context, work *errgroup.Group) (*http.Server, error) {
	addr := g.options.Config.MetricsListen
	if addr == "" {
		return nil, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, listenError(addr, "METRICS_LISTEN", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.metrics)
	g.mountHealth(mux) // they answer here while the node drains, when the other listener is closed
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	server := g.server(mux)
	work.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve metrics: %w", err)
		}
		return nil
	})
	return server, nil
}

// platformKeyOnly lets a gateway key with the platform scope in, and nobody else.
func (g *Gateway) platformKeyOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hasPlatformKey(g.snapshots.Current(), r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a gateway key with the platform scope is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hasPlatformKey(s *snapshot.Snapshot, r *http.Request) bool {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	hash, err := apikey.Parse(token)
	if err != nil {
		return false
	}
	key, ok := s.KeyByHash(hash)
	return ok && key.Admits(string(apikey.Platform), web.ClientIP(r.Context()), time.Now())
}
