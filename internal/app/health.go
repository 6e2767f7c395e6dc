package app

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// A readiness is what /readyz answers.
type readiness struct {
	Ready    bool              `json:"ready"`
	Reasons  []string          `json:"reasons"`  // why it is not ready
	Degraded map[string]string `json:"degraded"` // what is away while calls go on
}

// readyz is 200 when calls can be answered. A store that is away does not take a node out of service: calls go on.
func (g *Gateway) readyz(w http.ResponseWriter, r *http.Request) {
	s := readiness{Reasons: []string{}, Degraded: map[string]string{}}
	if g.draining.Load() {
		s.Reasons = append(s.Reasons, "draining")
	}
	if g.memory.Full() {
		s.Reasons = append(s.Reasons, "memory runs short: new calls are refused")
	}
	select {
	case <-g.booker.CaughtUp():
	default:
		s.Reasons = append(s.Reasons, "booking what the last run left in the spool")
	}
	if g.spool.Full() {
		s.Reasons = append(s.Reasons, "the spool is full")
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if err := g.pool.Ping(ctx); err != nil {
		s.Degraded["postgres"] = "does not answer"
	}
	if err := g.redis.Ping(ctx).Err(); err != nil {
		s.Degraded["redis"] = "does not answer"
	}
	if problems := g.snapshots.Current().Problems; len(problems) > 0 {
		s.Degraded["configuration"] = strings.Join(problems, "; ")
	}
	s.Ready = len(s.Reasons) == 0
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !s.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if err := json.NewEncoder(w).Encode(s); err != nil {
		g.log.Debug("readiness not written", "error", err)
	}
}

// mountHealth mounts the two.
func (g *Gateway) mountHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", g.healthz)
	mux.HandleFunc("GET /readyz", g.readyz)
}

// healthz is 200 as long as the process answers.
func (g *Gateway) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}
