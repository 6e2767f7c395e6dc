// Package redistest gives a test a real Redis of its own.
package redistest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/devstack"
	"aihigress/internal/devstack/needs"
)

// timeout bounds each start and stop; they take some 50 ms.
const timeout = 20 * time.Second

// Server is a redis-server private to one test. Its address stays the same when
// it is stopped and started, its content does not survive.
type Server struct {
	t     testing.TB
	dir   string
	url   string
	redis *devstack.Redis // nil while stopped
}

// New starts a server and returns a client of it; both end with the test. The
// test is skipped where no redis-server is on PATH (see package needs).
func New(t testing.TB) *redis.Client {
	t.Helper()
	return Start(t).Client()
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	needs.Command(t, "redis-server", "valkey-server")
	s := &Server{t: t, dir: t.TempDir()}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// URL returns the address as redis.ParseURL takes it.
func (s *Server) URL() string { return s.url }

// Client returns a new client, closed when the test ends.
func (s *Server) Client() *redis.Client {
	s.t.Helper()
	opts, err := redis.ParseURL(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	client := redis.NewClient(opts)
	s.t.Cleanup(func() { _ = client.Close() }) // the test may have closed it
	return client
}

// Start starts a stopped server again, empty.
func (s *Server) Start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	r, err := devstack.StartRedis(ctx, devstack.RedisOptions{Dir: s.dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatalf("start redis: %v", err)
	}
	s.redis, s.url = r, r.URL()
}

// Stop stops the server, for tests of an outage. A stopped one stays stopped.
func (s *Server) Stop() {
	s.t.Helper()
	if s.redis == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := s.redis.Stop(ctx); err != nil {
		s.t.Errorf("stop redis: %v", err)
	}
	s.redis = nil
}
