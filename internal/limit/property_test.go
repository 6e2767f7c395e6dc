package limit_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/devstack/redistest"
	"aihigress/internal/limit"
)

// A cluster is several nodes on one Redis, which all go by a clock that the test sets.
type cluster struct {
	t      *testing.T
	server *redistest.Server
	clock  atomic.Int64 // ms
	nodes  []*clusterNode
}

type clusterNode struct {
	*limit.Limiter
	client *redis.Client
	cancel func()
	done   chan error
	calls  []*heldCall
}

// A heldCall is one that was let through and has not ended.
type heldCall struct {
	lease *limit.Lease
	taken int64
}

func newCluster(t *testing.T, nodes int) *cluster {
	c := &cluster{t: t, server: redistest.Start(t)}
	c.clock.Store(1_700_000_000_000)
	for range nodes {
		c.nodes = append(c.nodes, c.start())
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			c.stop(n)
		}
	})
	return c
}

func (c *cluster) start() *clusterNode {
	skew := time.Duration(rand.Int64N(int64(1000 * time.Hour))) // the nodes' clocks need not agree
	n := &clusterNode{client: c.server.Client(), done: make(chan error, 1)}
	n.Limiter = limit.New(n.client, slog.New(slog.DiscardHandler), func() time.Time {
		return time.UnixMilli(c.clock.Load()).Add(skew)
	}).Wait(10*time.Second, 30*time.Millisecond).By(c.clock.Load)
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() { n.done <- n.Run(ctx) }()
	return n
}

func (c *cluster) stop(n *clusterNode) {
	n.cancel()
	if err := <-n.done; err != nil {
		c.t.Error(err)
	}
}

// crash ends a node that can say no farewell, and starts another in its place.
func (c *cluster) crash(i int) {
	_ = c.nodes[i].client.Close()
	c.stop(c.nodes[i])
	c.nodes[i] = c.start()
}

func (c *cluster) now() int64 { return c.clock.Load() }

// pass lets so many milliseconds pass, once all nodes have their answers: a question of before would find a Redis whose clock
// has gone back.
func (c *cluster) pass(ms int64) {
	for _, n := range c.nodes {
		n.Settle()
	}
	c.clock.Add(ms)
}

// TestRateHoldsOverNodes: whatever happens to calls and nodes, no more than amount × (1 + t/window) is let through within
// any time t, and what was estimated too high and given back comes on top once.
func TestRateHoldsOverNodes(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3, 4} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dice := rand.New(rand.NewPCG(seed, 7))
			c := newCluster(t, 2+int(seed%3))
			amount := []int64{7, 60, 1000, 50_000}[seed-1]
			tokens := seed%2 == 0
			rate := limit.Limit{What: limit.Requests, Amount: amount, Window: time.Minute}
			if tokens {
				rate.What = limit.Tokens
			}
			claim := limit.Claim{Subject: limit.Subject{Of: "test", Name: "x"}, Limits: []limit.Limit{rate}}
			type event struct{ at, n int64 } // n below zero: given back
			var events []event
			var mu sync.Mutex
			call := func(n *clusterNode, want int64) {
				lease, err := n.Take(context.Background(), limit.Use{Tokens: want}, claim)
				if err != nil {
					return
				}
				if !tokens {
					want = 1
				}
				mu.Lock()
				defer mu.Unlock()
				events = append(events, event{c.now(), want})
				n.calls = append(n.calls, &heldCall{lease, want})
			}
			for range 1500 {
				i := dice.IntN(len(c.nodes))
				n := c.nodes[i]
				switch what := dice.IntN(100); {
				case what < 50:
					call(n, 1+dice.Int64N(max(amount/20, 1)))
				case what < 55: // a burst, everywhere at once
					var wg sync.WaitGroup
					for k := range 24 {
						wg.Go(func() { call(c.nodes[k%len(c.nodes)], 1+amount/30) })
					}
					wg.Wait()
				case what < 75 && len(n.calls) > 0:
					h := n.calls[0]
					n.calls = n.calls[1:]
					used := dice.Int64N(h.taken + 1)
					h.lease.Finish(limit.Use{Tokens: used})
					if tokens && used < h.taken {
						events = append(events, event{c.now(), used - h.taken})
					}
				case what < 90:
					c.pass(dice.Int64N(3000))
				case what < 97:
					n.Tend()
				case what < 98:
					c.pass(dice.Int64N(20_000))
				default:
					c.crash(i)
				}
			}
			passed := int64(0)
			for i := range events {
				if events[i].n > 0 {
					passed += events[i].n
				}
				sum := int64(0)
				for j := i; j < len(events); j++ {
					// In any window: what was let through, less what came back.
					sum += events[j].n
					most := float64(amount) * (1 + float64(events[j].at-events[i].at)/60_000)
					if float64(sum) > most+1 {
						t.Fatalf("%d passed within %d ms, want at most %.1f", sum, events[j].at-events[i].at, most)
					}
				}
			}
			whole := float64(amount) * (1 + float64(c.now()-events[0].at)/60_000)
			t.Logf("%d of at most %.0f passed", passed, whole)
			if passed < amount {
				t.Errorf("%d passed, want at least %d", passed, amount)
			}
			c.comesBack(claim, amount, tokens)
		})
	}
}

// comesBack ends all calls, waits by the clock, and takes all there is at one node.
func (c *cluster) comesBack(claim limit.Claim, amount int64, tokens bool) {
	c.t.Helper()
	for _, n := range c.nodes {
		for _, h := range n.calls {
			h.lease.Finish(limit.Use{Tokens: h.taken})
		}
		n.calls = nil
	}
	for range 12 { // long enough for leases to run out, and for the bucket to fill
		c.pass(20_000)
		for _, n := range c.nodes {
			n.Tend()
		}
	}
	n, each := c.nodes[0], int64(1)
	if tokens {
		each = max(amount/10, 1)
	}
	got := int64(0)
	for got+each <= amount {
		lease, err := n.Take(context.Background(), limit.Use{Tokens: each}, claim)
		if err != nil {
			c.t.Fatalf("after all came back, %d of %d could be taken: %v", got, amount, err)
		}
		got += each
		n.calls = append(n.calls, &heldCall{lease, each})
	}
}

// TestSlotsHoldOverNodes: there are never more calls at the same time than the limit, whatever happens to nodes; what a
// crashed node held counts for Lifetime, and then comes back.
func TestSlotsHoldOverNodes(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dice := rand.New(rand.NewPCG(seed, 9))
			c := newCluster(t, 3)
			amount := []int64{1, 5, 40}[seed-1]
			claim := limit.Claim{Subject: limit.Subject{Of: "test", Name: "x"}, Limits: []limit.Limit{{What: limit.Calls, Amount: amount}}}
			running := func() (sum int64) {
				for _, n := range c.nodes {
					sum += int64(len(n.calls))
				}
				return sum
			}
			most := int64(0)
			var mu sync.Mutex
			call := func(n *clusterNode) {
				if lease, err := n.Take(context.Background(), limit.Use{}, claim); err == nil {
					mu.Lock()
					defer mu.Unlock()
					n.calls = append(n.calls, &heldCall{lease, 1})
					most = max(most, running())
				}
			}
			for range 800 {
				i := dice.IntN(len(c.nodes))
				n := c.nodes[i]
				switch what := dice.IntN(100); {
				case what < 35:
					call(n)
				case what < 42:
					var wg sync.WaitGroup
					for k := range 12 {
						wg.Go(func() { call(c.nodes[k%len(c.nodes)]) })
					}
					wg.Wait()
				case what < 80 && len(n.calls) > 0:
					n.calls[0].lease.Finish(limit.Use{})
					n.calls = n.calls[1:]
				case what < 90:
					c.pass(dice.Int64N(2000))
					for _, n := range c.nodes { // who lives renews in time
						n.Tend()
					}
				case what < 98:
					n.Tend()
				default:
					c.crash(i)
				}
				if now := running(); now > amount {
					t.Fatalf("%d calls at the same time, want at most %d", now, amount)
				}
			}
			if most < amount*3/4 {
				t.Errorf("at most %d ran at the same time, want about %d", most, amount)
			}
			c.comesBack(claim, amount, false)
		})
	}
}

// TestOneAfterAnotherOverNodes: a caller who waits for each answer is never refused for what the last call held, though
// each call goes to another node.
func TestOneAfterAnotherOverNodes(t *testing.T) {
	t.Parallel()
	client := redistest.New(t)
	nodes := []*limit.Limiter{node(t, client), node(t, client), node(t, client)}
	claim := limit.Claim{Subject: limit.Subject{Of: "test", Name: "x"}, Limits: []limit.Limit{
		{What: limit.Calls, Amount: 1}, {What: limit.Tokens, Amount: 1000, Window: time.Minute},
	}}
	for i := range 150 {
		lease, err := nodes[i%3].Take(t.Context(), limit.Use{Tokens: 1000}, claim) // all of it, and all of it given back
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		lease.Finish(limit.Use{})
	}
}
