package proxy_test

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/keypool"
	"aihigress/internal/limit"
	"aihigress/internal/snapshot"
	"aihigress/proxy"
)

// keyed answers by what the key is.
func keyed(answers map[string]http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answers[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")](w, r)
	}
}

// counting notes how often an answer was asked for, and says with it what is left of a limit of 100 requests.
func counting(n *atomic.Int64, left string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		w.Header().Set("X-Ratelimit-Limit-Requests", "100")
		w.Header().Set("X-Ratelimit-Remaining-Requests", left)
		w.Header().Set("X-Ratelimit-Reset-Requests", "50m")
		next(w, r)
	}
}

// Of several keys each is chosen by what its vendor says is left, and one of which nothing is left is passed over.
func TestKeysByHeadroom(t *testing.T) {
	t.Parallel()
	ok := answer(completion)
	var full, quarter, empty atomic.Int64
	w := newWorld(t, []vendor{{keys: []string{"full", "quarter", "empty"}, handler: keyed(map[string]http.HandlerFunc{
		"full": counting(&full, "100", ok), "quarter": counting(&quarter, "25", ok), "empty": counting(&empty, "0", ok),
	})}})
	for range 400 {
		if a := w.post("/chat/completions", chat); a.StatusCode != http.StatusOK || a.Header.Get("X-Aihigress-Attempts") != "1" {
			t.Fatalf("%d %s at attempt %s", a.StatusCode, a.body, a.Header.Get("X-Aihigress-Attempts"))
		}
	}
	if f, q, e := full.Load(), quarter.Load(), empty.Load(); e > 1 || q < 40 || q > 130 || f+q+e != 400 {
		t.Errorf("%d, %d and %d calls; want four fifths, a fifth and the one that found out", f, q, e)
	}
}

// Where a 429 has no Retry-After, the vendor's own reset is how long the key is left alone; where it has neither, nothing
// is made up.
func TestResetStandsInForRetryAfter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		headers []string
		asked   time.Duration
	}{
		"reset":       {[]string{"X-Ratelimit-Limit-Requests", "60", "X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "90s"}, 90 * time.Second},
		"Retry-After": {[]string{"X-Ratelimit-Limit-Requests", "60", "X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "90s", "Retry-After", "7"}, 7 * time.Second},
		"neither":     {[]string{"X-Ratelimit-Limit-Requests", "60", "X-Ratelimit-Remaining-Requests", "12", "X-Ratelimit-Reset-Requests", "90s"}, 0},
	} {
		board := health.New(health.Options{})
		w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(tt.headers); i += 2 {
				w.Header().Set(tt.headers[i], tt.headers[i+1])
			}
			script(429, "application/json", `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`)(w, r)
		}}}, func(o *proxy.Options, _ *snapshot.Contents) { o.Health = board })
		w.post("/chat/completions", chat)
		p, _ := w.snapshot.ProviderBySlug("v0")
		standing := board.Look(health.Target{Provider: p.ID, Model: "up-m", Key: p.Keys[0].ID}, time.Now())
		if standing.Opening == nil {
			t.Fatalf("%s: the key is in use", name)
		}
		open := standing.Opening.Until.Sub(standing.Opening.Since)
		if standing.Opening.Asked != (tt.asked > 0) || tt.asked > 0 && open != tt.asked {
			t.Errorf("%s: out of use for %s, asked %v; want %s", name, open, standing.Opening.Asked, tt.asked)
		}
	}
}

// What an attempt holds of a key is free when it is over, whatever became of it, and its tokens are what it used.
func TestKeysRoomComesBack(t *testing.T) {
	t.Parallel()
	broken := script(200, "text/event-stream", role, word)
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		body    string
		tokens  int64 // that are left, of 1000
	}{
		"whole":     {answer(completion), strings.Replace(chat, `{`, `{"max_tokens":900,`, 1), 880},
		"stream":    {events(role, word, end, tokens, done), stream, 880},
		"refused":   {script(400, "application/json", `{"error":{"message":"no"}}`), chat, 1000},
		"failed":    {script(500, "application/json", `{"error":{"message":"no"}}`), chat, 1000},
		"broken":    {broken, stream, 0},
		"malformed": {answer(`{`), chat, 0},
	} {
		pool := keypool.New(limit.New(nil, slog.New(slog.DiscardHandler), time.Now), nil, time.Now)
		limits := snapshot.KeyLimits{MaxConcurrency: 1}
		w := newWorld(t, []vendor{{handler: tt.handler}}, func(o *proxy.Options, c *snapshot.Contents) {
			o.Keys, c.Providers[0].Keys[0].Limits = pool, limits
		})
		p, _ := w.snapshot.ProviderBySlug("v0")
		for i := range 3 { // one after another
			if a := w.post("/chat/completions", tt.body); a.StatusCode == http.StatusTooManyRequests {
				t.Errorf("%s: call %d: %s", name, i, a.body)
			}
		}
		if room, _ := pool.Headroom(p.Keys[0].ID, limits); room != 1 {
			t.Errorf("%s: room %v is left of the calls at once", name, room)
		}

		limits = snapshot.KeyLimits{TokensPerMinute: 1000}
		w = newWorld(t, []vendor{{handler: tt.handler}}, func(o *proxy.Options, c *snapshot.Contents) {
			o.Keys, c.Providers[0].Keys[0].Limits = pool, limits
		})
		p, _ = w.snapshot.ProviderBySlug("v0")
		w.post("/chat/completions", tt.body)
		room, _ := pool.Headroom(p.Keys[0].ID, limits)
		if left := int64(room * 1000); tt.tokens > 0 && (left < tt.tokens-1 || left > tt.tokens+25) {
			t.Errorf("%s: %d tokens are left of 1000, want about %d", name, left, tt.tokens)
		}
	}
}

// A call that finds the only key at its calls at once is refused, before any vendor is asked, and passes when that one is over.
func TestKeysCallsAtOnce(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Test") == "" {
			select {
			case begun <- struct{}{}:
				<-finish
			default:
			}
		}
		answer(completion)(w, r)
	}}}, func(_ *proxy.Options, c *snapshot.Contents) { c.Providers[0].Keys[0].Limits.MaxConcurrency = 1 })
	first := make(chan answered, 1)
	go func() { first <- w.post("/chat/completions", chat) }()
	<-begun
	if a := w.post("/chat/completions", chat); a.StatusCode != 429 || readError(t, a).Code != "upstream_busy" || a.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	close(finish)
	if a := <-first; a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := w.post("/chat/completions", chat); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// What a vendor says of its limits sends calls to other keys, and does not refuse them where there is none: only the vendor
// knows for sure.
func TestLearntLimitsAloneRefuseNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	w := newWorld(t, []vendor{{handler: func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		rw.Header().Set("X-Ratelimit-Limit-Requests", "10")
		rw.Header().Set("X-Ratelimit-Remaining-Requests", "0")
		rw.Header().Set("X-Ratelimit-Reset-Requests", "1h")
		answer(completion)(rw, r)
	}}})
	for i := range 5 {
		if a := w.post("/chat/completions", chat); a.StatusCode != http.StatusOK {
			t.Fatalf("call %d: %d %s", i, a.StatusCode, a.body)
		}
	}
	if n := asked.Load(); n != 5 {
		t.Errorf("%d calls reached the vendor, want 5", n)
	}
}
