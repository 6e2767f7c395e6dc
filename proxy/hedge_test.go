package proxy_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/pricing"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
)

// paced has the simulator begin its answers after what the test says for each provider, and notes whom it was asked of and
// whose calls were ended.
type paced struct {
	mu     sync.Mutex
	first  map[string]time.Duration
	fails  map[string]string // status with which a provider fails
	panics string            // who panics when it is asked
	asked  []string
	ended  []string
}

func (p *paced) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slug := c.Provider.Slug
	p.asked = append(p.asked, slug)
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = append(p.ended, slug)
	})
	first, fails := p.first[slug], p.fails[slug]
	p.mu.Unlock()
	defer p.mu.Lock()
	knobs := map[string]string{"Ttft": first.String(), "Tokens": "10"}
	if p.panics == slug {
		panic("a bug")
	}
	if fails != "" { // which the simulator does at once
		knobs["Error"] = fails
		select {
		case <-time.After(first):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r, err := bySimulator(func(string) map[string]string { return knobs })(ctx, c)
	if err != nil {
		stop()
	}
	return r, err
}

// hedging is a model of two providers, of which the first is asked first, and what is known of it: a first token after 100 ms.
func hedging(t *testing.T, p *paced, change ...func(*snapshot.Model)) (call func(ctx context.Context, body string) int, _ *meter) {
	t.Helper()
	p.first = map[string]time.Duration{"v0": 100 * time.Millisecond, "v1": 100 * time.Millisecond}
	call, books := lonely(t, 2, p, append([]func(*snapshot.Model){func(m *snapshot.Model) {
		m.Strategy, m.Hedge = "priority", true
		for i := range m.Routes {
			m.Routes[i].Priority = i
			m.Routes[i].Upstream = &snapshot.ProviderModel{UpstreamID: "sim-chat", Rate: pricing.Rate{Input: price("1"), Output: price("10")}}
		}
	}}, change...)...)
	for range 20 {
		call(t.Context(), stream)
	}
	synctest.Wait()
	p.asked, p.ended, books.finished, books.admitted = nil, nil, nil, nil
	return call, books
}

func TestHedge(t *testing.T) {
	t.Parallel()
	const slow, never = 3 * time.Second, time.Hour
	tests := []struct {
		name          string
		first, second time.Duration
		body          string
		off           bool
		asked         string
		winner        string
		longest       time.Duration
	}{
		{"fast enough", 100 * time.Millisecond, 0, stream, false, "v0", "v0", 200 * time.Millisecond},
		{"slow", slow, 100 * time.Millisecond, stream, false, "v0 v1", "v1", 400 * time.Millisecond},
		{"a black hole", never, 100 * time.Millisecond, stream, false, "v0 v1", "v1", 400 * time.Millisecond},
		{"the first wins late", 400 * time.Millisecond, slow, stream, false, "v0 v1", "v0", 600 * time.Millisecond},
		{"not streamed", slow, 100 * time.Millisecond, chat, false, "v0", "v0", 4 * time.Second},
		{"off", slow, 100 * time.Millisecond, stream, true, "v0", "v0", 4 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &paced{}
				call, books := hedging(t, p, func(m *snapshot.Model) { m.Hedge = !tt.off })
				p.first = map[string]time.Duration{"v0": tt.first, "v1": tt.second}
				start := time.Now()
				if status := call(t.Context(), tt.body); status != http.StatusOK {
					t.Fatalf("status %d", status)
				}
				took := time.Since(start)
				synctest.Wait()
				e := books.finished[0]
				if got := strings.Join(p.asked, " "); got != tt.asked || e.ProviderSlug != tt.winner || e.Outcome != usage.OK || took > tt.longest+200*time.Millisecond {
					t.Errorf("asked %s, answered by %s after %v: %+v", got, e.ProviderSlug, took, e)
				}
				if tt.asked != "v0 v1" {
					if len(e.Attempts) != 1 || e.Attempts[0].Charge != 0 {
						t.Errorf("%+v", e.Attempts)
					}
					return
				}
				rate := pricing.Rate{Input: price("1"), Output: price("10")}
				alone, _ := rate.Cost(e.Usage, e.StartedAt)
				lost := e.Attempts[0]
				if lost.Error != "hedge_lost" || lost.ProviderSlug == tt.winner || lost.Charge <= 0 || *e.Charge != alone+lost.Charge || *e.Cost != *e.Charge {
					t.Errorf("charge %v for %+v and the loser %+v", *e.Charge, e.Usage, lost)
				}
				if *e.Charge > e.Hold {
					t.Errorf("the charge of %v is above the hold of %v", *e.Charge, e.Hold)
				}
				if !slices.Contains(p.ended, lost.ProviderSlug) {
					t.Errorf("the loser's call goes on; ended are %v", p.ended)
				}
			})
		})
	}
}

// A loser whose price nobody told is in no charge, and seen to be.
func TestUnpricedLoserIsNotFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paced{}
		call, books := hedging(t, p, func(m *snapshot.Model) { m.Routes[1].Upstream = nil })
		p.first = map[string]time.Duration{"v0": 400 * time.Millisecond, "v1": 3 * time.Second}
		call(t.Context(), stream)
		synctest.Wait()
		e := books.finished[0]
		alone, _ := pricing.Rate{Input: price("1"), Output: price("10")}.Cost(e.Usage, e.StartedAt)
		if len(e.Attempts) != 2 || e.ProviderSlug != "v0" || !e.Unpriced || *e.Charge != alone || !e.Attempts[0].Unpriced || e.Attempts[1].Unpriced {
			t.Errorf("%+v", e)
		}
	})
}

// One of the two fails while the other is on its way: the call goes on with that one, and nobody is asked twice.
func TestHedgeFailsOver(t *testing.T) {
	t.Parallel()
	const soon, late = 500 * time.Millisecond, 2 * time.Second
	tests := []struct {
		name          string
		first, second time.Duration
		fails         map[string]string
		status        int
		errors        string // of the attempts
	}{
		{"the first", soon, late, map[string]string{"v0": "500"}, 200, "server_error "},
		{"the second", late, soon, map[string]string{"v1": "500"}, 200, "server_error "},
		{"both", late, soon, map[string]string{"v0": "500", "v1": "503"}, 500, "server_error server_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &paced{}
				call, books := hedging(t, p)
				p.first, p.fails = map[string]time.Duration{"v0": tt.first, "v1": tt.second}, tt.fails
				status := call(t.Context(), stream)
				e := books.finished[0]
				if status != tt.status || len(p.asked) != 2 || len(e.Attempts) != 2 || e.Attempts[0].Error+" "+e.Attempts[1].Error != tt.errors {
					t.Errorf("%d: asked %v: %+v", status, p.asked, e.Attempts)
				}
				alone, _ := pricing.Rate{Input: price("1"), Output: price("10")}.Cost(e.Usage, e.StartedAt)
				if *e.Charge != alone {
					t.Errorf("charged %v, want %v", *e.Charge, alone)
				}
			})
		})
	}
}

// Two attempts run, and the faster one brings a refusal of the request: the other one is on its way already, so it is waited
// for, and nobody else is asked.
func TestHedgeThatIsRefusedLeavesTheFirstItsTime(t *testing.T) {
	t.Parallel()
	const late, soon = 2 * time.Second, 500 * time.Millisecond
	for _, tt := range []struct {
		first  string // status with which the first fails, late
		status int
		code   string
	}{{"", 200, ""}, {"500", 400, "invalid_request_error"}} {
		synctest.Test(t, func(t *testing.T) {
			p := &paced{}
			call, books := hedging(t, p)
			p.first, p.fails = map[string]time.Duration{"v0": late, "v1": soon}, map[string]string{"v1": "400", "v0": tt.first}
			status := call(t.Context(), stream)
			e := books.finished[0]
			if status != tt.status || strings.Join(p.asked, " ") != "v0 v1" || len(e.Attempts) != 2 || e.ErrorCode != tt.code {
				t.Errorf("the first fails with %q: %d %s, asked %v: %+v", tt.first, status, e.ErrorCode, p.asked, e.Attempts)
			}
		})
	}
}

// What only one account knows is not asked of another beside it.
func TestStateIsNotHedged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paced{}
		call, _ := hedging(t, p)
		p.first = map[string]time.Duration{"v0": 2 * time.Second, "v1": 100 * time.Millisecond}
		const file = `{"model":"m","stream":true,"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-7"}}]}]}`
		if status := call(t.Context(), file); status != http.StatusOK || strings.Join(p.asked, " ") != "v0" {
			t.Errorf("%d, asked %v", status, p.asked)
		}
	})
}

// A panic beside another attempt costs its call, and neither the process nor what the call holds.
func TestPanicInAHedge(t *testing.T) {
	t.Parallel()
	for _, beside := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := &paced{}
			call, books := hedging(t, p)
			p.first = map[string]time.Duration{"v0": 2 * time.Second, "v1": time.Second}
			p.panics = "v0"
			if beside {
				p.panics = "v1"
			}
			status := call(t.Context(), stream)
			if e := books.finished[0]; status != http.StatusInternalServerError || e.Outcome != usage.UpstreamError {
				t.Errorf("%d: %+v", status, e)
			}
			synctest.Wait()
			if len(p.ended) != len(p.asked) {
				t.Errorf("asked %v, ended %v", p.asked, p.ended)
			}
		})
	}
}

// Who leaves while two attempts run ends both, and pays for what both vendors were asked.
func TestCallerLeavesDuringAHedge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paced{}
		call, books := hedging(t, p)
		p.first = map[string]time.Duration{"v0": time.Hour, "v1": time.Hour}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		call(ctx, stream)
		synctest.Wait()
		e := books.finished[0]
		if e.Outcome != usage.Cancelled || len(e.Attempts) != 2 || len(p.asked) != 2 || e.Duration > 1100*time.Millisecond {
			t.Errorf("asked %v: %+v", p.asked, e)
		}
	})
}

// A target that always loses is found out to be slow, though none of its answers is waited for.
func TestLosersAreLearnedToBeSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paced{}
		call, _ := hedging(t, p, func(m *snapshot.Model) {
			m.Strategy = "latency"
			for i := range m.Routes {
				m.Routes[i].Priority = 0
			}
		})
		p.first = map[string]time.Duration{"v0": time.Hour, "v1": 110 * time.Millisecond}
		for range 200 {
			call(t.Context(), stream)
			time.Sleep(time.Second)
		}
		p.asked = nil
		for range 100 {
			call(t.Context(), stream)
			time.Sleep(time.Second)
		}
		if n := strings.Count(strings.Join(p.asked, " "), "v0"); n > 25 {
			t.Errorf("of a hundred calls %d were sent to a black hole", n)
		}
	})
}

// Hedges come out of the budget of retries.
func TestHedgesAreRationed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paced{}
		call, _ := hedging(t, p, func(m *snapshot.Model) { m.RetryBudget = 1 })
		var wg sync.WaitGroup
		p.first = map[string]time.Duration{"v0": 2 * time.Second, "v1": 2 * time.Second}
		for range 400 {
			wg.Go(func() { call(t.Context(), stream) })
		}
		wg.Wait()
		if n := strings.Count(strings.Join(p.asked, " "), "v1"); n > 30 || n < 10 {
			t.Errorf("400 slow calls made %d hedges", n)
		}
	})
}
