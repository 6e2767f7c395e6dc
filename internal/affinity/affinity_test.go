package affinity_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"aihigress/internal/affinity"
	"aihigress/internal/event"
	"aihigress/internal/health"
	"aihigress/internal/id"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func target(model string) health.Target {
	return health.Target{Provider: id.New[id.Provider](), Model: model, Key: id.New[id.ProviderKey]()}
}

func TestFindsTheLastPlaceWhileItLasts(t *testing.T) {
	t.Parallel()
	table, a, b := affinity.New(), target("a"), target("b")
	if _, ok := table.Find(1, now); ok {
		t.Error("an empty table knows something")
	}
	table.Note(1, a, now)
	table.Note(1, b, now.Add(time.Minute))
	if got, ok := table.Find(1, now.Add(time.Minute+affinity.Lifetime)); !ok || got != b {
		t.Errorf("%+v %v", got, ok)
	}
	if _, ok := table.Find(1, now.Add(time.Minute+affinity.Lifetime+1)); ok {
		t.Error("it is never forgotten")
	}
	if _, ok := table.Find(2, now); ok {
		t.Error("another conversation is known too")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	table, at := affinity.New(), target("m")
	table.Note(0, at, now)
	for i := range uint64(affinity.MaxConversations) {
		table.Note(i+1, at, now)
		table.Find(1, now)
	}
	_, used := table.Find(1, now)
	if _, idle := table.Find(0, now); idle || !used {
		t.Errorf("idle kept %v, used kept %v", idle, used)
	}
}

// What one node learns, the other knows within seconds.
func TestNodesShareWhatTheyLearn(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	ctx, stop := context.WithCancel(t.Context())
	work, ctx := errgroup.WithContext(ctx)
	defer func() {
		stop()
		if err := work.Wait(); err != nil {
			t.Error(err)
		}
	}()
	var tables [2]*affinity.Table
	for i := range tables {
		client := redis.NewClient(&redis.Options{Addr: server.Addr()})
		t.Cleanup(func() { _ = client.Close() })
		bus := event.New(client, slog.New(slog.DiscardHandler))
		tables[i] = affinity.New()
		work.Go(func() error { return bus.Run(ctx) })
		work.Go(func() error { return tables[i].Run(ctx, bus) })
	}
	at := target("m")
	deadline := time.Now().Add(20 * time.Second)
	for n := uint64(1); ; n++ { // the other may not listen yet
		tables[0].Note(n, at, time.Now())
		time.Sleep(50 * time.Millisecond)
		if got, ok := tables[1].Find(n/2+1, time.Now()); ok {
			if got != at {
				t.Errorf("%+v, want %+v", got, at)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the other node does not hear of it")
		}
	}
}
