package limit_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/goleak"

	"aihigress/internal/devstack/redistest"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/limit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node runs a limiter as one node does.
func node(t *testing.T, client redis.UniversalClient) *limit.Limiter {
	t.Helper()
	l := limit.New(client, slog.New(slog.DiscardHandler), time.Now).Wait(10*time.Second, time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

func refused(err error) (time.Duration, bool) {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Limited {
		return 0, false
	}
	return f.Retry, true
}

func TestKeyWithoutLimitsAsksNobody(t *testing.T) {
	t.Parallel()
	l := limit.New(nil, slog.New(slog.DiscardHandler), time.Now)
	lease, state, err := l.AdmitKey(t.Context(), id.New[id.Key](), limit.Limits{}, 100)
	if err != nil || state != (limit.State{}) {
		t.Fatalf("Admit = %+v, %v", state, err)
	}
	lease.Finish(limit.Use{Tokens: 1})
}

func TestRequestsPerMinuteHoldOverNodes(t *testing.T) {
	t.Parallel()
	client := redistest.New(t)
	nodes := []*limit.Limiter{node(t, client), node(t, client), node(t, client)}
	key, limits := id.New[id.Key](), limit.Limits{RequestsPerMinute: 30}
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range 90 {
		wg.Go(func() {
			lease, _, err := nodes[i%3].AdmitKey(context.Background(), key, limits, 0)
			if err == nil {
				passed.Add(1)
				lease.Finish(limit.Use{})
				return
			}
			if wait, ok := refused(err); !ok || wait < time.Second || wait > 3*time.Second {
				t.Errorf("refusal: %v after %s, want about two seconds for one of thirty a minute", err, wait)
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n < 30 || n > 31 { // one more may flow in meanwhile
		t.Errorf("%d calls passed, want 30", n)
	}
}

func TestStateForHeaders(t *testing.T) {
	t.Parallel()
	l := node(t, redistest.New(t))
	_, state, err := l.AdmitKey(t.Context(), id.New[id.Key](), limit.Limits{RequestsPerMinute: 60, TokensPerMinute: 6000}, 3000)
	if err != nil {
		t.Fatal(err)
	}
	if r := state.Requests; r.Limit != 60 || r.Remaining != 59 || r.Reset != time.Second {
		t.Errorf("requests: %+v", r)
	}
	if s := state.Tokens; s.Limit != 6000 || s.Remaining != 3000 || s.Reset != 30*time.Second {
		t.Errorf("tokens: %+v", s)
	}
}

func TestTokensAreCorrected(t *testing.T) {
	t.Parallel()
	client := redistest.New(t)
	l := node(t, client)
	key, limits := id.New[id.Key](), limit.Limits{TokensPerMinute: 1000}
	lease, _, err := l.AdmitKey(t.Context(), key, limits, 900)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.AdmitKey(t.Context(), key, limits, 900); err == nil {
		t.Fatal("900 and 900 of 1000 passed")
	}
	lease.Finish(limit.Use{Tokens: 100})
	lease.Finish(limit.Use{}) // only the first counts
	eventually(t, func() bool {
		next, _, err := l.AdmitKey(t.Context(), key, limits, 850)
		if err == nil {
			next.Finish(limit.Use{Tokens: 850})
		}
		return err == nil
	})
	if _, _, err := l.AdmitKey(t.Context(), key, limits, 200); err == nil {
		t.Error("what was used is not counted")
	}
}

func TestMoreThanAMinutesWorthStillPasses(t *testing.T) {
	t.Parallel()
	l := node(t, redistest.New(t))
	if _, _, err := l.AdmitKey(t.Context(), id.New[id.Key](), limit.Limits{TokensPerMinute: 10}, 1_000_000); err != nil {
		t.Errorf("an estimate above the limit can never pass: %v", err)
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	client := redistest.New(t)
	a, b := node(t, client), node(t, client)
	key, limits := id.New[id.Key](), limit.Limits{Concurrency: 2}
	first, _, err1 := a.AdmitKey(t.Context(), key, limits, 0)
	_, _, err2 := b.AdmitKey(t.Context(), key, limits, 0)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.AdmitKey(t.Context(), key, limits, 0); err == nil {
		t.Fatal("three of two passed")
	}
	first.Finish(limit.Use{})
	eventually(t, func() bool {
		_, _, err := b.AdmitKey(t.Context(), key, limits, 0)
		return err == nil
	})
}

func TestRefusalTakesNothing(t *testing.T) {
	t.Parallel()
	l := node(t, redistest.New(t))
	key, limits := id.New[id.Key](), limit.Limits{RequestsPerMinute: 10, TokensPerMinute: 100}
	if _, _, err := l.AdmitKey(t.Context(), key, limits, 90); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, _, err := l.AdmitKey(t.Context(), key, limits, 90); err == nil {
			t.Fatal("tokens are not limited")
		}
	}
	if _, state, err := l.AdmitKey(t.Context(), key, limits, 0); err != nil || state.Requests.Remaining != 8 {
		t.Errorf("refused calls used up requests: %+v, %v", state.Requests, err)
	}
}

func TestRedisAwayHoldsKeysToTheNodesShare(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.ContextTimeoutEnabled, options.MaxRetries = true, -1
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	l, other := node(t, client), node(t, client)
	key, limits := id.New[id.Key](), limit.Limits{RequestsPerMinute: 20}
	eventually(t, func() bool { return client.ZCard(t.Context(), "aihigress:limit:nodes").Val() == 2 })
	third := node(t, client) // has counted all three at its first beat
	eventually(t, func() bool { return client.ZCard(t.Context(), "aihigress:limit:nodes").Val() == 3 })
	if _, _, err := third.AdmitKey(t.Context(), key, limits, 0); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	passed := 1 // before
	start := time.Now()
	for i := range 100 {
		_, state, err := third.AdmitKey(t.Context(), key, limits, 0)
		if err == nil {
			passed++
		} else if i > 0 && state.Requests.Limit != 6 {
			t.Fatalf("share is %d, want a third of 20", state.Requests.Limit)
		}
	}
	if passed != 6 {
		t.Errorf("%d calls passed at a node that lost Redis, want its share of 6", passed)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("a dead Redis delayed 100 decisions by %s", took)
	}
	server.Start()
	eventually(t, func() bool {
		_, state, _ := third.AdmitKey(t.Context(), key, limits, 0)
		return state.Requests.Limit == 20
	})
	_, _ = l, other
}

// eventually polls, since the ends of calls reach Redis in the background.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatal("has not come about within 5 s")
		case <-tick.C:
		}
	}
}

func BenchmarkAdmitWithoutLimits(b *testing.B) {
	l := limit.New(nil, slog.New(slog.DiscardHandler), time.Now)
	for b.Loop() {
		lease, _, _ := l.Admit(b.Context(), limit.Use{Tokens: 100}, nil)
		lease.Finish(limit.Use{Tokens: 100})
	}
}

// TestOneAfterAnother: a caller who waits for each answer before asking again holds one slot at a time, however late Redis
// hears of the last call's end.
func TestOneAfterAnother(t *testing.T) {
	t.Parallel()
	l := node(t, redistest.New(t))
	key, limits := id.New[id.Key](), limit.Limits{Concurrency: 1, TokensPerMinute: 1000}
	for i := range 200 {
		lease, _, err := l.AdmitKey(t.Context(), key, limits, 1000) // all of it, and all of it given back
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		lease.Finish(limit.Use{})
	}
}

// TestRedisThatHangs: only the call that finds out waits, and not for long.
func TestRedisThatHangs(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody ever answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	client := redis.NewClient(&redis.Options{Addr: silent.Addr().String(), ContextTimeoutEnabled: true})
	defer client.Close()
	l := limit.New(client, slog.New(slog.DiscardHandler), time.Now)
	key, limits := id.New[id.Key](), limit.Limits{RequestsPerMinute: 100, Concurrency: 100}
	start := time.Now()
	for range 50 {
		lease, _, err := l.AdmitKey(t.Context(), key, limits, 0)
		if err != nil {
			t.Fatal(err)
		}
		lease.Finish(limit.Use{})
	}
	if took := time.Since(start); took > 900*time.Millisecond {
		t.Errorf("50 calls took %s", took)
	}
}
