package proxy_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/overload"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// patient is an upstream whose every call takes as long as its provider does.
type patient map[string]time.Duration

func (p patient) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	select {
	case <-time.After(p[c.Provider.Slug]):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(completion)), ContentLength: int64(len(completion))}, nil
}

// A crowd is a world by the fake clock whose targets take few attempts at once.
type crowd struct {
	*world
	handler http.Handler
}

// newCrowd has a vendor for each of the times that they take.
func newCrowd(t *testing.T, gate overload.Options, takes ...time.Duration) *crowd {
	t.Helper()
	w := timed(t, "openai", make([]timetable, len(takes)))
	vendors := patient{}
	for i, d := range takes {
		vendors["v"+string(rune('0'+i))] = d
	}
	w.o.Upstream, w.o.Gate, w.o.Health = vendors, overload.New(gate), health.New(health.Options{})
	return &crowd{w, proxy.New(w.o)}
}

// call makes a call that is answered some time.
func (c *crowd) call(ctx context.Context, key string, headers ...string) chan *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(chat))
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	done := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		done <- w
	}()
	synctest.Wait()
	return done
}

// empty fails the test where anything was left behind.
func (c *crowd) empty() {
	c.t.Helper()
	if got := c.o.Gate.Totals(); got.InFlight != 0 || got.Waiting != 0 || c.credit.stillHeld() != 0 {
		c.t.Errorf("left behind: %+v, and %d holds", got, c.credit.stillHeld())
	}
}

// A target at its limit is passed over, and not asked for what it cannot do.
func TestFullTargetIsPassedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, overload.Options{Start: 1}, time.Second, time.Second)
		first, second, third := c.call(t.Context(), c.key), c.call(t.Context(), c.key), c.call(t.Context(), c.key)
		for i, call := range []chan *httptest.ResponseRecorder{first, second} {
			w := <-call
			if w.Code != 200 || w.Header().Get("X-Aihigress-Provider") != "v"+string(rune('0'+i)) || w.Header().Get("X-Aihigress-Attempts") != "1" {
				t.Errorf("call %d: %d by %s at attempt %s", i, w.Code, w.Header().Get("X-Aihigress-Provider"), w.Header().Get("X-Aihigress-Attempts"))
			}
		}
		start := time.Now()
		if w := <-third; w.Code != 200 || time.Since(start) != time.Second {
			t.Errorf("the call that waited: %d after %s", w.Code, time.Since(start))
		}
		c.empty()
	})
}

// While a target is only full, what is out of use stays so.
func TestFullTargetIsNoReasonToForceAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, overload.Options{Start: 1}, time.Second, time.Second)
		second, _ := c.snapshot.ProviderBySlug("v1")
		out, _ := c.o.Health.Begin(health.Target{Provider: second.ID, Model: "up-m"}, true)
		out.End(health.Result{Class: health.RateLimited, RetryAfter: time.Hour})
		for i, call := range []chan *httptest.ResponseRecorder{c.call(t.Context(), c.key), c.call(t.Context(), c.key)} {
			if w := <-call; w.Code != 200 || w.Header().Get("X-Aihigress-Provider") != "v0" {
				t.Errorf("call %d: %d by %s", i, w.Code, w.Header().Get("X-Aihigress-Provider"))
			}
		}
		c.empty()
	})
}

func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		headers []string
		leaves  time.Duration // the caller; 0 stays
		after   time.Duration
		status  int
		code    string
		outcome usage.Outcome
	}{
		{"by the gateway", nil, 0, 8 * time.Second, http.StatusServiceUnavailable, "upstream_busy", usage.Refused},
		{"by the caller's time", []string{"X-Aihigress-Timeout-Ms", "3000"}, 0, 3 * time.Second, http.StatusGatewayTimeout, "timeout", usage.Refused},
		{"by the caller", nil, 2 * time.Second, 2 * time.Second, 499, "client_closed_request", usage.Cancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, overload.Options{Start: 1}, time.Minute)
				first := c.call(t.Context(), c.key)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				second := c.call(ctx, c.key, tt.headers...)
				if tt.leaves > 0 {
					time.AfterFunc(tt.leaves, cancel)
				}
				w := <-second
				if took := time.Since(start); took != tt.after {
					t.Errorf("it took %s, want %s", took, tt.after)
				}
				e := c.only()
				if e.Outcome != tt.outcome || e.HTTPStatus != tt.status || e.ErrorCode != tt.code || len(e.Attempts) != 0 || e.ProviderID != nil {
					t.Errorf("booked as %+v", e)
				}
				if tt.outcome == usage.Refused && (w.Code != tt.status || !strings.Contains(w.Body.String(), tt.code)) {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				// Nothing has come free in the eight seconds since the target was full, and one call is ahead.
				if got := w.Header().Get("Retry-After"); tt.code == "upstream_busy" && got != "16" {
					t.Errorf("Retry-After %q", got)
				}
				if w := <-first; w.Code != 200 {
					t.Errorf("the one that was served: %d", w.Code)
				}
				c.empty()
			})
		})
	}
}

// A caller who leaves while waiting for a second attempt pays nothing for the first, which failed.
func TestLeavingBetweenAttemptsIsFree(t *testing.T) {
	t.Parallel()
	busy, done := make(chan struct{}), make(chan struct{})
	w := newWorld(t, []vendor{
		{handler: func(w http.ResponseWriter, r *http.Request) { close(busy); <-done; answer(completion)(w, r) }},
		{handler: script(http.StatusInternalServerError, "application/json", "{}")},
	}, func(o *proxy.Options, _ *snapshot.Contents) { o.Gate = overload.New(overload.Options{Start: 1}) })
	first := make(chan answered)
	go func() { first <- w.post("/chat/completions", chat) }()
	<-busy
	ctx, leave := context.WithCancel(t.Context())
	second := make(chan error)
	go func() {
		r := w.request("/chat/completions", chat, "Authorization", "Bearer "+w.key).WithContext(ctx)
		_, err := http.DefaultTransport.RoundTrip(r) //nolint:bodyclose // there is none
		second <- err
	}()
	for w.o.Gate.Totals().Waiting == 0 { // the attempt at v1 has failed then
		runtime.Gosched()
	}
	over := make(chan struct{})
	w.meter.tell(over)
	leave()
	if err := <-second; err == nil {
		t.Fatal("answered")
	}
	<-over
	e := w.only()
	if e.Outcome != usage.Cancelled || len(e.Attempts) != 1 || e.Usage.TotalInput() != 0 || e.Charge == nil || *e.Charge != 0 {
		t.Errorf("booked as %+v", e)
	}
	w.meter.tell(nil)
	close(done)
	if a := <-first; a.StatusCode != http.StatusOK {
		t.Errorf("the other call: %d %s", a.StatusCode, a.body)
	}
}

// A key that floods the queue is told so, and another key's call waits and is served.
func TestFloodingKeyIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, overload.Options{Start: 1, Waiting: 4}, 2*time.Second)
		other := mint()
		model, _ := c.snapshot.Model("m")
		vendor, _ := c.snapshot.ProviderBySlug("v0")
		c.snapshot = snapshot.New(snapshot.Contents{
			Keys: []*snapshot.Key{newKey(c.key), newKey(other)}, Providers: []*snapshot.Provider{vendor}, Models: []*snapshot.Model{model},
		})
		served := c.call(t.Context(), c.key)
		waits := []chan *httptest.ResponseRecorder{c.call(t.Context(), c.key), c.call(t.Context(), c.key)}
		w := <-c.call(t.Context(), c.key)
		if w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "upstream_busy") || w.Header().Get("Retry-After") == "" {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
		start := time.Now()
		next := c.call(t.Context(), other)
		if w := <-next; w.Code != 200 || time.Since(start) > 6*time.Second {
			t.Errorf("the other key: %d after %s", w.Code, time.Since(start))
		}
		for _, call := range append(waits, served) {
			if w := <-call; w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		c.empty()
	})
}

// A panic in the middle of a call gives its slot back, wherever it happens.
func TestPanicGivesTheSlotBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, overload.Options{Start: 1}, time.Second)
		c.meter.broken = true
		<-c.call(t.Context(), c.key)
		if got := c.o.Gate.Totals().InFlight; got != 0 {
			t.Errorf("%d slots are lost", got)
		}
	})
}

// heavy is a process that uses all its memory.
type heavy struct{}

func (heavy) InUse() uint64 { return 100 }
func (heavy) Collect()      {}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("not to be read")
}

func TestShortMemoryRefusesBeforeTheBody(t *testing.T) {
	t.Parallel()
	memory := overload.NewMemory(100, heavy{}, slog.New(slog.DiscardHandler), time.Now)
	memory.Sample()
	w := newWorld(t, []vendor{{handler: answer(completion)}}, func(o *proxy.Options, _ *snapshot.Contents) { o.Memory = memory })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", unread{t})
	r.Header.Set("Authorization", "Bearer "+w.key)
	got := httptest.NewRecorder()
	proxy.New(w.o).ServeHTTP(got, r)
	if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") != "5" || !strings.Contains(got.Body.String(), "gateway_overloaded") {
		t.Errorf("%d %v %s", got.Code, got.Header(), got.Body)
	}
	if e := w.only(); e.Outcome != usage.Refused || memory.Refused() != 1 {
		t.Errorf("%+v, %d refused", e, memory.Refused())
	}
	r.Header.Set("Authorization", "Bearer "+id.New[id.Key]().String())
	got = httptest.NewRecorder()
	proxy.New(w.o).ServeHTTP(got, r)
	if got.Code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", got.Code)
	}
}
