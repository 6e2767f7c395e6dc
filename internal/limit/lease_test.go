package limit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/devstack/redistest"
	"aihigress/internal/id"
	"aihigress/internal/limit"
)

// counted is a client that counts the scripts it runs.
type counted struct{ asked atomic.Int64 }

func (c *counted) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *counted) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.count(cmd)
		return next(ctx, cmd)
	}
}

func (c *counted) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			c.count(cmd)
		}
		return next(ctx, cmds)
	}
}

func (c *counted) count(cmd redis.Cmder) {
	if cmd.Name() == "evalsha" || cmd.Name() == "eval" {
		c.asked.Add(1)
	}
}

// TestSteadyStateAsksNobody: a thousand calls of a key far below its limits ask Redis a few times, in the background.
func TestSteadyStateAsksNobody(t *testing.T) {
	t.Parallel()
	client := redistest.New(t)
	count := &counted{}
	client.AddHook(count)
	l := node(t, client)
	key, limits := id.New[id.Key](), limit.Limits{RequestsPerMinute: 1_000_000, TokensPerMinute: 100_000_000, Concurrency: 100}
	for range 1000 {
		lease, _, err := l.AdmitKey(t.Context(), key, limits, 500)
		if err != nil {
			t.Fatal(err)
		}
		lease.Finish(limit.Use{Tokens: 400})
	}
	if n := count.asked.Load(); n > 60 {
		t.Errorf("1000 calls asked Redis %d times", n)
	}
}

// TestBurstUsesWhatOthersDoNotNeed: what idle nodes have leased goes to the one that needs it, at once.
func TestBurstUsesWhatOthersDoNotNeed(t *testing.T) {
	t.Parallel()
	client := redistest.New(t)
	nodes := []*limit.Limiter{node(t, client), node(t, client), node(t, client)}
	key, limits := id.New[id.Key](), limit.Limits{RequestsPerMinute: 100}
	passed := 0
	for i := range 30 {
		if _, _, err := nodes[i%3].AdmitKey(t.Context(), key, limits, 0); err == nil {
			passed++
		}
	}
	for range 100 {
		if _, _, err := nodes[0].AdmitKey(t.Context(), key, limits, 0); err == nil {
			passed++
		}
	}
	if passed < 100 || passed > 103 { // a few flow in meanwhile
		t.Errorf("%d of 100 passed", passed)
	}
}

// TestIdleLeasesGoBack: a node that no longer calls keeps nothing, neither in Redis nor in memory.
func TestIdleLeasesGoBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, client := c.nodes[0], c.server.Client()
	for i := range 50 {
		claim := limit.Claim{Subject: limit.Subject{Of: "test", Name: fmt.Sprint(i)}, Limits: []limit.Limit{
			{What: limit.Requests, Amount: 600, Window: time.Minute}, {What: limit.Calls, Amount: 10},
		}}
		lease, err := n.Take(t.Context(), limit.Use{}, claim)
		if err != nil {
			t.Fatal(err)
		}
		lease.Finish(limit.Use{})
	}
	if n.Known() != 100 {
		t.Errorf("%d limits are known, want 100", n.Known())
	}
	eventually(t, func() bool {
		c.pass(500)
		n.Tend()
		return n.Known() == 0
	})
	keys, err := client.Keys(t.Context(), "aihigress:limit:{test:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys { // the debts are left, to be forgotten by their expiry
		if fields := client.HKeys(t.Context(), key).Val(); len(fields) != 2 {
			t.Errorf("%s has %v", key, fields)
		}
		if left := client.PTTL(t.Context(), key).Val(); left <= 0 || left > 3*time.Minute {
			t.Errorf("%s expires in %s", key, left)
		}
	}
}

// TestKilledNodesSlotsExpire: what a killed node held is free after Lifetime, and not before.
func TestKilledNodesSlotsExpire(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	claim := limit.Claim{Subject: limit.Subject{Of: "test", Name: "x"}, Limits: []limit.Limit{{What: limit.Calls, Amount: 1}}}
	if _, err := c.nodes[0].Take(t.Context(), limit.Use{}, claim); err != nil {
		t.Fatal(err)
	}
	c.crash(0)
	c.pass(limit.Lifetime.Milliseconds() - 1)
	if _, err := c.nodes[1].Take(t.Context(), limit.Use{}, claim); err == nil {
		t.Fatal("the slot is not held")
	}
	c.pass(300) // and the node asks again after a while
	if _, err := c.nodes[1].Take(t.Context(), limit.Use{}, claim); err != nil {
		t.Errorf("an expired slot blocks the limit: %v", err)
	}
}

// TestLimitIsChanged: a call's limits count from that call on, on whichever node, though shares of others are out.
func TestLimitIsChanged(t *testing.T) {
	t.Parallel()
	client := redistest.New(t)
	a, b := node(t, client), node(t, client)
	key := id.New[id.Key]()
	admit := func(l *limit.Limiter, limits limit.Limits) error {
		_, _, err := l.AdmitKey(t.Context(), key, limits, 0)
		return err
	}
	wide, narrow := limit.Limits{RequestsPerMinute: 1000}, limit.Limits{RequestsPerMinute: 12}
	for range 5 {
		if err := errors.Join(admit(a, wide), admit(b, wide)); err != nil {
			t.Fatal(err)
		}
	}
	passed := 10
	for range 20 {
		for _, l := range []*limit.Limiter{a, b} {
			if admit(l, narrow) == nil {
				passed++
			}
		}
	}
	if passed < 12 || passed > 13 {
		t.Errorf("%d of 12 passed after the limit was lowered", passed)
	}
	for range 200 {
		if admit(a, wide) == nil {
			passed++
		}
	}
	if passed < 210 {
		t.Errorf("%d passed after the limit was raised again", passed)
	}
}

// TestRefusalNamesTheLimit: all must pass, the refusal names the one that did not, and nothing was taken of the others.
func TestRefusalNamesTheLimit(t *testing.T) {
	t.Parallel()
	l := node(t, redistest.New(t))
	tag := limit.Claim{Subject: limit.Subject{Of: "tag", Name: "team=a"}, Limits: []limit.Limit{{What: limit.Requests, Amount: 3, Window: 24 * time.Hour}}}
	key := limit.Claim{Subject: limit.Subject{Of: "key", ID: id.New[id.Key]().UUID}, Limits: []limit.Limit{
		{What: limit.Requests, Amount: 2, Window: time.Second}, {What: limit.Calls, Amount: 100},
	}}
	for range 2 {
		if _, err := l.Take(t.Context(), limit.Use{}, tag, key); err != nil {
			t.Fatal(err)
		}
	}
	_, err := l.Take(t.Context(), limit.Use{}, tag, key)
	refusal, ok := errors.AsType[*limit.Refusal](err)
	if !ok || refusal.Subject != key.Subject || refusal.Error() != "limited to 2 requests per second" || refusal.Wait <= 0 || refusal.Wait > time.Second {
		t.Fatalf("%+v", err)
	}
	if _, err := l.Take(t.Context(), limit.Use{}, tag); err != nil {
		t.Errorf("the refused call took of the other limit: %v", err)
	}
	_, err = l.Take(t.Context(), limit.Use{}, tag)
	if refusal, ok := errors.AsType[*limit.Refusal](err); !ok || refusal.Subject != tag.Subject || refusal.Wait < time.Hour {
		t.Errorf("%+v", err)
	}
}

// TestClosedWithoutRedis: a limit with that policy lets nothing through that is not leased.
func TestClosedWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := node(t, server.Client())
	claim := limit.Claim{Subject: limit.Subject{Of: "test", Name: "x"}, Limits: []limit.Limit{
		{What: limit.Requests, Amount: 1000, Window: time.Minute, Away: limit.Closed},
	}}
	if _, err := l.Take(t.Context(), limit.Use{}, claim); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	passed := 0
	for range 100 {
		if _, err := l.Take(t.Context(), limit.Use{}, claim); err == nil {
			passed++
		}
	}
	if passed > 3 {
		t.Errorf("%d passed without Redis, of a lease of a few", passed)
	}
	server.Start()
	eventually(t, func() bool {
		_, err := l.Take(t.Context(), limit.Use{}, claim)
		return err == nil
	})
}

// TestRedisRestartsUnderLoad: calls go on while Redis is killed and comes back empty, within the limit for each of the two.
func TestRedisRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	nodes := []*limit.Limiter{node(t, server.Client()), node(t, server.Client())}
	eventually(t, func() bool { return nodes[0].Nodes() == 2 && nodes[1].Nodes() == 2 })
	claim := func(name string) limit.Claim {
		return limit.Claim{Subject: limit.Subject{Of: "test", Name: name}, Limits: []limit.Limit{
			{What: limit.Tokens, Amount: 10_000, Window: time.Hour}, {What: limit.Calls, Amount: 50},
		}}
	}
	use := func(n int) (passed int) {
		for i := range n {
			if lease, err := nodes[i%2].Take(t.Context(), limit.Use{Tokens: 100}, claim("x")); err == nil {
				passed += 100
				lease.Finish(limit.Use{Tokens: 100})
			}
		}
		return passed
	}
	if n := use(30); n != 3000 {
		t.Fatalf("%d of 10000 passed", n)
	}
	server.Stop()
	away := use(400)
	if away < 4000 || away > 9000 { // shares of 5000, of which 1500 are used; a lease may be larger
		t.Errorf("%d passed without Redis, want about 7000", away)
	}
	server.Start()
	eventually(t, func() bool { // the shares are used up: only one who asks Redis is let through
		_, err := nodes[0].Take(t.Context(), limit.Use{Tokens: 5001}, claim("y"))
		return err == nil
	})
	if all := 3000 + away + use(400); all > 20_000 {
		t.Errorf("%d passed, want at most twice the limit", all)
	}
}

// TestAlone: without Redis a limiter is the only node, and holds to all of the limits.
func TestAlone(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := limit.New(nil, slog.New(slog.DiscardHandler), func() time.Time { return now })
	claim := limit.Claim{Subject: limit.Subject{Of: "test", Name: "x"}, Limits: []limit.Limit{{What: limit.Requests, Amount: 4, Window: time.Second}}}
	for range 10 { // in each second four, however many are asked for
		passed := 0
		for range 20 {
			if _, err := l.Take(t.Context(), limit.Use{}, claim); err == nil {
				passed++
			}
		}
		if room := l.Room(claim); passed != 4 || room != 0 {
			t.Fatalf("%d calls in a burst, want 4; room is %v", passed, room)
		}
		_, err := l.Take(t.Context(), limit.Use{}, claim)
		if refusal, ok := errors.AsType[*limit.Refusal](err); !ok || refusal.Wait != 250*time.Millisecond {
			t.Fatalf("%v, want to wait a quarter of a second", err)
		}
		now = now.Add(time.Second)
	}
}

func BenchmarkAdmit(b *testing.B) {
	client := redistest.New(b)
	count := &counted{}
	client.AddHook(count)
	l := limit.New(client, slog.New(slog.DiscardHandler), time.Now)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	key, limits := id.New[id.Key](), limit.Limits{RequestsPerMinute: 1_000_000_000, TokensPerMinute: 1_000_000_000_000, Concurrency: 1000}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lease, _, err := l.AdmitKey(b.Context(), key, limits, 500)
			if err != nil {
				b.Fatal(err)
			}
			lease.Finish(limit.Use{Tokens: 400})
		}
	})
	b.ReportMetric(float64(count.asked.Load())/float64(b.N), "redis-ops/op")
}
