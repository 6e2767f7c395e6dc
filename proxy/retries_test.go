package proxy_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/simulator"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// An upstreamFunc answers calls of vendors.
type upstreamFunc func(ctx context.Context, c upstream.Call) (*http.Response, error)

func (f upstreamFunc) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	return f(ctx, c)
}

// lonely serves the model "m" by providers with one key each, in the time of synctest.
func lonely(t *testing.T, providers int, u proxy.Upstream, change ...func(*snapshot.Model)) (call func(ctx context.Context, body string) int, _ *meter) {
	t.Helper()
	key := mint()
	contents := snapshot.Contents{Keys: []*snapshot.Key{newKey(key)}}
	model := &snapshot.Model{Name: "m", Strategy: "round_robin", RetryBudget: 10}
	for i := range providers {
		slug := "v" + string(rune('0'+i))
		p := &snapshot.Provider{ID: id.New[id.Provider](), Slug: slug, Dialect: "openai", Visibility: "public", BaseURL: mustURL("https://" + slug + ".test/v1"),
			Keys: []snapshot.ProviderKey{{ID: id.New[id.ProviderKey](), Weight: 1}}}
		contents.Providers = append(contents.Providers, p)
		model.Routes = append(model.Routes, snapshot.Route{Provider: p, UpstreamID: "sim-chat", Weight: 1})
	}
	for _, f := range change {
		f(model)
	}
	contents.Models, contents.Aliases = []*snapshot.Model{model}, []snapshot.Alias{{Pattern: "other", Target: "m"}}
	books := &meter{}
	handler := proxy.New(proxy.Options{Config: &world{snapshot: snapshot.New(contents)}, Limits: unlimited{}, Credit: freely{}, Meter: books, Upstream: u,
		Log: slog.New(slog.DiscardHandler)})
	return func(ctx context.Context, body string) int {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}, books
}

// bySimulator has the simulator answer, with knobs that may change from call to call.
func bySimulator(knobs func(slug string) map[string]string) upstreamFunc {
	sim := simulator.New(simulator.Options{Seed: 1})
	return func(ctx context.Context, c upstream.Call) (*http.Response, error) {
		return ask(ctx, sim, c, knobs(c.Provider.Slug))
	}
}

// ask has a simulator answer a call of a vendor.
func ask(ctx context.Context, sim http.Handler, c upstream.Call, knobs map[string]string) (*http.Response, error) {
	var body strings.Builder
	for _, piece := range c.Body {
		body.Write(piece)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(body.String()))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer k")
	for name, value := range knobs {
		r.Header.Set("X-Sim-"+name, value)
	}
	return play(sim, r)
}

// Where everything is down, attempts do not multiply: the budget is a tenth of the calls, or what the model says, beside
// the reserve and one a second.
func TestRetryBudgetStopsStorms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ percent, most int }{{10, 10}, {50, 50}, {1, 1}, {0, 0}} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			call, _ := lonely(t, 3, bySimulator(func(string) map[string]string { asked++; return map[string]string{"Error": "500"} }),
				func(m *snapshot.Model) { m.RetryBudget = tt.percent })
			start := time.Now()
			const calls = 2000
			for range calls {
				if status := call(t.Context(), chat); status != http.StatusInternalServerError {
					t.Fatalf("status %d", status)
				}
				time.Sleep(20 * time.Millisecond)
			}
			most := calls*(100+tt.most)/100 + 20 + int(time.Since(start).Seconds()) + 1
			least := calls + 20
			if tt.percent == 0 { // not even the reserve
				least, most = calls, calls
			}
			if asked > most || asked < least {
				t.Errorf("budget %d %%: %d calls made %d attempts, want at most %d and some", tt.percent, calls, asked, most)
			}
		})
	}
}

// One of two providers is down and slow to say so, and hundreds of calls run into it at once: the other takes them all.
func TestFailoverToWhatIsWellIsNotRationed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		call, _ := lonely(t, 2, bySimulator(func(slug string) map[string]string {
			if slug == "v0" && down.Load() {
				return map[string]string{"Ttft": "3s", "Error": "500"}
			}
			return map[string]string{"Ttft": "1ms"}
		}))
		for range 20 {
			call(t.Context(), chat)
		}
		down.Store(true)
		var failed atomic.Int64
		for range 600 {
			go func() {
				if call(t.Context(), chat) != http.StatusOK {
					failed.Add(1)
				}
			}()
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		if n := failed.Load(); n > 0 {
			t.Errorf("%d of 600 calls failed", n)
		}
	})
}

// A connection that does not come about is tried again, after a pause that varies, where there is nobody else to ask.
func TestConnectionFaultsAreTriedAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		code     string
		fails    int // the first so many
		status   int
		attempts int
	}{
		{"refused once", upstream.CodeConnect, 1, 200, 2},
		{"refused twice", upstream.CodeConnect, 2, 200, 3},
		{"refused for good", upstream.CodeConnect, 100, 502, 3},
		{"handshake", upstream.CodeTLS, 1, 200, 2},
		{"broken when it may have been sent", upstream.CodeBroken, 1, 502, 1},
		{"address not allowed", upstream.CodeBlocked, 1, 502, 1},
		{"credential", upstream.CodeCredential, 1, 502, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked []time.Time
				sim := bySimulator(func(string) map[string]string { return nil })
				call, books := lonely(t, 1, upstreamFunc(func(ctx context.Context, c upstream.Call) (*http.Response, error) {
					asked = append(asked, time.Now())
					if len(asked) <= tt.fails {
						return nil, fault.New(fault.Upstream, "no").WithCode(tt.code)
					}
					return sim(ctx, c)
				}))
				if status := call(t.Context(), chat); status != tt.status || len(asked) != tt.attempts || len(books.finished[0].Attempts) != tt.attempts {
					t.Errorf("%d after %d attempts: %+v", status, len(asked), books.finished[0].Attempts)
				}
				for i := 1; i < len(asked); i++ {
					if wait, longest := asked[i].Sub(asked[i-1]), 200*time.Millisecond<<(i-1); wait < longest/2 || wait > longest {
						t.Errorf("pause %d took %v", i, wait)
					}
				}
			})
		})
	}
}

// What an alias stands for has the budget, also for a connection that is tried again.
func TestRepeatsOfAliasesComeOutOfTheirModelsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		call, _ := lonely(t, 1, upstreamFunc(func(context.Context, upstream.Call) (*http.Response, error) {
			asked++
			return nil, fault.New(fault.Upstream, "no").WithCode(upstream.CodeConnect)
		}), func(m *snapshot.Model) { m.RetryBudget = 0 })
		call(t.Context(), strings.Replace(chat, `"m"`, `"other"`, 1))
		if asked != 1 {
			t.Errorf("a model without retries was asked %d times by its alias", asked)
		}
	})
}

// With another provider at hand there is no pause.
func TestConnectionFaultsGoElsewhereAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := true
		sim := bySimulator(func(string) map[string]string { return map[string]string{"Ttft": "0s"} })
		call, books := lonely(t, 2, upstreamFunc(func(ctx context.Context, c upstream.Call) (*http.Response, error) {
			if first {
				first = false
				return nil, fault.New(fault.Upstream, "no").WithCode(upstream.CodeConnect)
			}
			return sim(ctx, c)
		}))
		if status := call(t.Context(), chat); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		if a := books.finished[0].Attempts; len(a) != 2 || a[0].ProviderID == a[1].ProviderID || a[1].StartedAt.Sub(a[0].StartedAt) > 10*time.Millisecond {
			t.Errorf("%+v", a)
		}
	})
}

// Whoever leaves during the pause is booked as gone.
func TestCallerLeavesBetweenAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		call, books := lonely(t, 1, upstreamFunc(func(context.Context, upstream.Call) (*http.Response, error) {
			time.AfterFunc(time.Millisecond, cancel)
			return nil, fault.New(fault.Upstream, "no").WithCode(upstream.CodeConnect)
		}))
		call(ctx, chat)
		if e := books.finished[0]; e.Outcome != usage.Cancelled || len(e.Attempts) != 1 || e.Duration > 50*time.Millisecond {
			t.Errorf("%+v", e)
		}
	})
}
