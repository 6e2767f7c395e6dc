package provider_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/provider"
)

// observer answers what it is told to, one observation at a time.
type observer struct {
	asked  chan health.Change
	answer chan result
}

type result struct {
	again time.Time
	err   error
}

func (o *observer) Observe(ctx context.Context, c health.Change) (time.Time, error) {
	select {
	case o.asked <- c:
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	select {
	case r := <-o.answer:
		return r.again, r.err
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}

func (o *observer) next(t *testing.T) health.Change {
	t.Helper()
	select {
	case c := <-o.asked:
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is observed")
	}
	panic("unreachable")
}

// watch runs a watch until the test ends.
func watch(t *testing.T) (chan<- health.Change, *observer) {
	t.Helper()
	changes := make(chan health.Change)
	o := &observer{asked: make(chan health.Change), answer: make(chan result)}
	w := provider.NewWatch(o, func(context.Context) <-chan health.Change { return changes }, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		close(changes)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return changes, o
}

// While one observation hangs, traffic goes on, and of each place only the last word counts.
func TestWatchKeepsTheLastWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		changes, o := watch(t)
		one, other := health.Target{Provider: id.New[id.Provider]()}, health.Target{Provider: id.New[id.Provider]()}
		changes <- opened(health.OfProvider, one, health.Unreached)
		o.next(t)
		for range 5000 { // more than fits anywhere
			changes <- closed(health.OfProvider, one)
			changes <- opened(health.OfProvider, one, health.TimedOut)
		}
		for range 5000 {
			changes <- opened(health.OfModel, health.Target{Provider: id.New[id.Provider](), Model: "m"}, health.NoModel)
		}
		changes <- opened(health.OfProvider, other, health.Unreached) // there is no room for it
		synctest.Wait()                                               // until it is noted, or rather not
		o.answer <- result{}
		seen := map[health.Place]int{}
		for range 1024 {
			c := o.next(t)
			if seen[c.Place]++; c.Place.Target == one && c.Open.Why != health.TimedOut {
				t.Errorf("observed %+v", c.Open)
			}
			o.answer <- result{}
		}
		if len(seen) != 1024 || seen[health.Place{Scope: health.OfProvider, Target: one}] != 1 || seen[health.Place{Scope: health.OfProvider, Target: other}] != 0 {
			t.Errorf("%d places were observed", len(seen))
		}
		changes <- opened(health.OfProvider, other, health.Unreached) // now there is
		if c := o.next(t); c.Place.Target != other {
			t.Errorf("observed %+v", c.Place)
		}
		o.answer <- result{}
	})
}

func TestWatchTriesAgain(t *testing.T) {
	t.Parallel()
	changes, o := watch(t)
	target := health.Target{Provider: id.New[id.Provider]()}
	changes <- closed(health.OfProvider, target)
	o.next(t)
	due := time.Now().Add(50 * time.Millisecond)
	o.answer <- result{again: due}
	if c := o.next(t); c.Open != nil || time.Now().Before(due) {
		t.Errorf("observed %+v too early", c)
	}
	o.answer <- result{err: errors.New("Postgres is away")}
	changes <- opened(health.OfProvider, target, health.Unreached) // in place of what is to be tried again
	if c := o.next(t); c.Open == nil {
		t.Error("an old word is observed")
	}
	o.answer <- result{}
}
