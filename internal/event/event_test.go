package event

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type note struct {
	Text string `json:"text"`
	N    int    `json:"n"`
}

// node is a bus that runs until the test ends.
func node(t *testing.T, server *miniredis.Miniredis) *Bus {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	b := New(rdb, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		rdb.Close()
	})
	return b
}

// until asks again and again until the answer is yes.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func listening(t *testing.T, server *miniredis.Miniredis, topic string, nodes int) {
	t.Helper()
	channel := channelPrefix + topic
	until(t, fmt.Sprintf("%d nodes listen to %s", nodes, topic), func() bool {
		return server.PubSubNumSub(channel)[channel] == nodes
	})
}

func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-ch:
		if !ok {
			t.Fatal("closed")
		}
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("no message in time")
	}
	panic("unreachable")
}

func nothing[T any](t *testing.T, ch <-chan T) {
	t.Helper()
	select {
	case v := <-ch:
		t.Errorf("got %+v", v)
	default:
	}
}

func TestLocalSubscribersNeedNoRedis(t *testing.T) {
	t.Parallel()
	b := New(nil, slog.New(slog.DiscardHandler))
	values := Subscribe[note](t.Context(), b, "notes")
	pointers := Subscribe[*note](t.Context(), b, "notes")
	other := Subscribe[note](t.Context(), b, "other")
	b.Publish(t.Context(), "notes", note{"hello", 1})
	want := note{"hello", 1}
	if got := next(t, values); got != want {
		t.Errorf("got %+v", got)
	}
	if got := next(t, pointers); *got != want { // not what was published, so it went through JSON
		t.Errorf("got %+v", got)
	}
	nothing(t, other)
}

func TestEveryNodeGetsEachMessageOnceAndInOrder(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	buses := []*Bus{node(t, server), node(t, server), node(t, server)}
	var subscribers []<-chan note
	for _, b := range buses {
		subscribers = append(subscribers, Subscribe[note](t.Context(), b, "notes"), Subscribe[note](t.Context(), b, "notes"))
	}
	listening(t, server, "notes", len(buses))
	var want []note
	for i := range 20 {
		want = append(want, note{"first", i})
	}
	for _, n := range want {
		buses[0].Publish(t.Context(), "notes", n)
	}
	for i, ch := range subscribers {
		var got []note
		for range want {
			got = append(got, next(t, ch))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("subscriber %d: %s", i, diff)
		}
	}
	// A message of another node behind them shows that nothing came twice.
	buses[1].Publish(t.Context(), "notes", note{"last", 0})
	for i, ch := range subscribers {
		if got := next(t, ch); got.Text != "last" {
			t.Errorf("subscriber %d: %+v came again", i, got)
		}
		nothing(t, ch)
	}
}

func TestASlowSubscriberLosesTheOldest(t *testing.T) {
	t.Parallel()
	b := New(nil, slog.New(slog.DiscardHandler))
	slow := Subscribe[int](t.Context(), b, "numbers")
	for i := range Buffer + 10 {
		b.Publish(t.Context(), "numbers", i)
	}
	for i := range Buffer {
		if got := next(t, slow); got != i+10 {
			t.Fatalf("got %d, want %d", got, i+10)
		}
	}
	nothing(t, slow)
}

func TestASubscriptionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	b := node(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := Subscribe[int](ctx, b, "numbers"), Subscribe[int](ctx, b, "numbers")
	listening(t, server, "numbers", 1)
	var wg sync.WaitGroup
	for range 4 { // publishing goes on while the subscriptions end
		wg.Go(func() {
			for i := range 1000 {
				b.Publish(t.Context(), "numbers", i)
			}
		})
	}
	cancel()
	for range first { // until it is closed
	}
	for range second {
	}
	wg.Wait()
	listening(t, server, "numbers", 0)
	b.Publish(t.Context(), "numbers", 1)
	again := Subscribe[int](t.Context(), b, "numbers")
	listening(t, server, "numbers", 1)
	b.Publish(t.Context(), "numbers", 2)
	if got := next(t, again); got != 2 {
		t.Errorf("got %d", got)
	}
}

func TestRedisMayGoAndComeBack(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	here, there := node(t, server), node(t, server)
	local, remote := Subscribe[int](t.Context(), here, "numbers"), Subscribe[int](t.Context(), there, "numbers")
	listening(t, server, "numbers", 2)
	server.Close()
	for i := range 3 * queueSize { // more than may wait: nobody is held up
		here.Publish(t.Context(), "numbers", i)
		if got := next(t, local); got != i {
			t.Fatalf("local: got %d, want %d", got, i)
		}
	}
	late := Subscribe[string](t.Context(), there, "while it was away")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	listening(t, server, "numbers", 2)
	listening(t, server, "while it was away", 1)
	until(t, "a message comes through again", func() bool {
		here.Publish(t.Context(), "numbers", -1)
		<-local
		select {
		case n := <-remote:
			return n == -1
		default:
			return false
		}
	})
	here.Publish(t.Context(), "while it was away", "hello")
	if got := next(t, late); got != "hello" {
		t.Errorf("got %q", got)
	}
}

func TestForeignMessagesAreLeftOut(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	b := node(t, server)
	notes := Subscribe[note](t.Context(), b, "notes")
	listening(t, server, "notes", 1)
	other := New(nil, nil).self
	for _, payload := range []string{"", "short", other, other + "{", other + `{"n":"text"}`, b.self + `{"n":1}`} {
		server.Publish(channelPrefix+"notes", payload)
	}
	server.Publish(channelPrefix+"notes", other+`{"n":7,"added_later":true}`)
	if got := next(t, notes); got.N != 7 {
		t.Errorf("got %+v", got)
	}
	nothing(t, notes)
}

func TestWhatCannotBeSentStaysHere(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	here, there := node(t, server), node(t, server)
	local, remote := Subscribe[string](t.Context(), here, "texts"), Subscribe[string](t.Context(), there, "texts")
	listening(t, server, "texts", 2)
	huge := string(make([]byte, MaxMessage))
	here.Publish(t.Context(), "texts", huge)
	here.Publish(t.Context(), "texts", make(chan int)) // no JSON
	here.Publish(t.Context(), "texts", "small")
	if got := next(t, local); got != huge {
		t.Errorf("local: %d bytes", len(got))
	}
	if got := next(t, local); got != "small" {
		t.Errorf("local: %d bytes", len(got))
	}
	if got := next(t, remote); got != "small" {
		t.Errorf("remote: %d bytes", len(got))
	}
}
