package views_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"aihigress/internal/event"
	"aihigress/internal/usage"
)

// newReports are reports on a bus of this test's own.
func newReports(t *testing.T, pool *pgxpool.Pool, log *slog.Logger) (*usage.Reports, *event.Bus) {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	bus := event.New(rdb, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- bus.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := rdb.Close(); err != nil {
			t.Error(err)
		}
	})
	return usage.NewReports(pool, bus), bus
}
