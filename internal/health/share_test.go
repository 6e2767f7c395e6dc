package health_test

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/devstack/redistest"
	"aihigress/internal/event"
	"aihigress/internal/health"
)

// A node is a board that shares what it learns.
type node struct {
	*health.Board
	changed chan health.Change // by its own traffic
}

// newNode runs a node until the test ends.
func newNode(t *testing.T, client *redis.Client) *node {
	t.Helper()
	n := &node{changed: make(chan health.Change, 100)}
	bus := event.New(client, slog.New(slog.NewTextHandler(io.Discard, nil)))
	var share *health.Share
	n.Board = health.New(health.Options{OnChange: func(c health.Change) {
		share.Tell(t.Context(), c)
		n.changed <- c
	}})
	share = health.NewShare(n.Board, bus)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{bus.Run, share.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	return n
}

// within waits until something is so, by what it says itself: it asks often, and is told when to give up.
func within(t *testing.T, limit time.Duration, what string, so func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		<-tick.C
	}
	return time.Since(start)
}

func (n *node) is(t health.Target, want health.State) func() bool {
	return func() bool { return n.Look(t, n.Now()).State == want }
}

func TestNodesShareWhatTheyLearn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	here, there := newNode(t, server.Client()), newNode(t, server.Client())

	// Both listen, as soon as the one hears of what the other did.
	within(t, 10*time.Second, "the figures come in", func() bool {
		try(here.Board, elsewhere, health.Result{Class: health.OK, Tokens: 5})
		return there.Look(elsewhere, there.Now()).Stats != nil
	})
	try(here.Board, target, health.Result{Class: health.RateLimited, RetryAfter: time.Minute})
	took := within(t, 2*time.Second, "the ejection comes in", there.is(otherModel, health.Open))
	t.Logf("the ejection came in after %v", took)
	if s := there.Look(target, there.Now()); !s.Opening.Asked || s.Scope != health.OfKey || s.Opening.Until.Sub(there.Now()) > time.Minute || s.Opening.Until.Sub(there.Now()) < 50*time.Second {
		t.Errorf("%+v", s)
	}
	if len(there.changed) != 0 {
		t.Error("what another node learned is told as this one's own")
	}
	forced, _ := there.Begin(target, true)
	forced.First()
	within(t, 2*time.Second, "that it is well comes in", here.is(target, health.Closed))
	forced.End(health.Result{Class: health.OK, Tokens: 100})
	within(t, 3*time.Second, "the figures come in", func() bool {
		s := here.Look(target, here.Now()).Stats
		return s != nil && s.FirstToken.Count > 0 && s.Speed.Count > 0
	})

	server.Stop()
	for range 5 {
		try(here.Board, otherBoth, health.Result{Class: health.ServerError})
	}
	if here.Look(otherBoth, here.Now()).State == health.Closed {
		t.Error("a node without Redis goes by nothing")
	}
	if !there.is(otherBoth, health.Closed)() {
		t.Error("there is news without Redis")
	}
	server.Start()
	within(t, 20*time.Second, "news come in again", func() bool {
		try(here.Board, otherKey, health.Result{Class: health.RateLimited})
		return !there.is(otherKey, health.Closed)()
	})
}
