package limit_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"aihigress/internal/devstack/redistest"
	"aihigress/internal/limit"
)

// TestAClockThatJumpsBack: neither Redis's nor the node's gives anything for free, and a minute later all has flowed back,
// wherever the clocks stand.
func TestAClockThatJumpsBack(t *testing.T) {
	t.Parallel()
	const amount = 60
	for name, jumps := range map[string]struct{ redis, node time.Duration }{
		"redis": {-time.Hour, 0}, "the node": {0, -time.Hour}, "both": {-time.Hour, -time.Hour}, "redis by a day": {-24 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := redistest.New(t)
			var ofRedis, ofNode atomic.Int64
			begin := time.Now()
			ofRedis.Store(begin.UnixMilli())
			l := limit.New(client, slog.New(slog.DiscardHandler), func() time.Time { return begin.Add(time.Duration(ofNode.Load())) }).
				Wait(10*time.Second, time.Millisecond).By(ofRedis.Load)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			claim := limit.Claim{Subject: limit.Subject{Of: "test", Name: name}, Limits: []limit.Limit{{What: limit.Requests, Amount: amount, Window: time.Minute}}}
			passed := func() (n int) {
				for range amount + 5 {
					if lease, err := l.Take(t.Context(), limit.Use{}, claim); err == nil {
						lease.Keep()
						n++
					}
				}
				return n
			}
			pass := func(redis, node time.Duration) {
				ofRedis.Add(redis.Milliseconds())
				ofNode.Add(int64(node))
			}
			if n := passed(); n != amount {
				t.Fatalf("%d passed", n)
			}
			l.Tend() // Redis hears of it
			pass(jumps.redis, jumps.node)
			if n := passed(); n != 0 {
				t.Errorf("%d passed for the jump", n)
			}
			for range 62 { // a second each, as on a node that runs
				pass(time.Second, time.Second)
				l.Tend()
			}
			if n := passed(); n < amount-2 || n > amount {
				t.Errorf("%d passed a minute after the jump, want %d", n, amount)
			}
		})
	}
}
