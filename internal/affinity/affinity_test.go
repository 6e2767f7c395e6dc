package affinity_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

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

// What one node learns, the other knows with the next second.
func TestNodesShareWhatTheyLearn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		work, ctx := errgroup.WithContext(ctx)
		bus := event.New(nil, slog.New(slog.DiscardHandler)) // both are on it, so that Redis is not needed
		one, other := affinity.New(), affinity.New()
		for _, table := range []*affinity.Table{one, other} {
			work.Go(func() error { return table.Run(ctx, bus) })
		}
		synctest.Wait()
		at := target("m")
		one.Note(1, at, time.Now())
		if _, ok := other.Find(1, time.Now()); ok {
			t.Error("it is told of at once, with every call")
		}
		time.Sleep(1100 * time.Millisecond) // of the fake clock
		synctest.Wait()
		if got, ok := other.Find(1, time.Now()); !ok || got != at {
			t.Errorf("%+v %v, want %+v", got, ok, at)
		}
		stop()
		if err := work.Wait(); err != nil {
			t.Error(err)
		}
	})
}
