package proxy_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// watched is a world whose health can be read.
func watched(t *testing.T, vendors ...vendor) (*world, *health.Board, []health.Target) {
	t.Helper()
	board := health.New(health.Options{})
	w := newWorld(t, vendors, func(o *proxy.Options, _ *snapshot.Contents) { o.Health = board })
	model, _ := w.snapshot.Model("m")
	var targets []health.Target
	for _, r := range model.Routes {
		for _, key := range r.Provider.Keys {
			targets = append(targets, health.Target{Provider: r.Provider.ID, Model: r.UpstreamID, Key: key.ID})
		}
	}
	return w, board, targets
}

// What a vendor says is taken for what it means: whose fault it is, and whether once is enough.
func TestFailuresAreClassed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		first  http.HandlerFunc
		stream bool
		class  health.Class // health.OK is none that counts
		scope  health.Scope // that is out of use at once; 0 is none
		asked  time.Duration
	}{
		{"400", oops(400, "invalid_request_error", "", "x"), false, health.OK, 0, 0},
		{"413", oops(413, "invalid_request_error", "", "x"), false, health.OK, 0, 0},
		{"422", oops(422, "invalid_request_error", "", "x"), false, health.OK, 0, 0},
		{"409", oops(409, "", "", "x"), false, health.OK, 0, 0},
		{"404 of a file", oops(404, "invalid_request_error", "", "No such File object: file-1"), false, health.OK, 0, 0},
		{"404 of the model", oops(404, "invalid_request_error", "model_not_found", "x"), false, health.NoModel, health.OfModel, 0},
		{"Anthropic's 404", oops(404, "not_found_error", "", "model: up-m"), false, health.NoModel, health.OfModel, 0},
		{"401", oops(401, "invalid_request_error", "invalid_api_key", "x"), false, health.Unauthorized, health.OfKey, 0},
		{"403", oops(403, "", "", "x"), false, health.Forbidden, 0, 0},
		{"403 of what was said", oops(403, "", "", "Input flagged by moderation"), false, health.OK, 0, 0},
		{"402", oops(402, "", "", "x"), false, health.OutOfQuota, health.OfKey, 0},
		{"quota", oops(429, "insufficient_quota", "insufficient_quota", "x", "Retry-After", "90"), false, health.OutOfQuota, health.OfKey, 90 * time.Second},
		{"429", oops(429, "requests", "rate_limit_exceeded", "x"), true, health.RateLimited, health.OfKey, 0},
		{"429 with a time", oops(429, "requests", "rate_limit_exceeded", "x", "Retry-After", "20"), true, health.RateLimited, health.OfKey, 20 * time.Second},
		{"429 with milliseconds", oops(429, "requests", "", "x", "Retry-After", "1", "Retry-After-Ms", "1500"), true, health.RateLimited, health.OfKey, 1500 * time.Millisecond},
		{"429 with a date", func(w http.ResponseWriter, r *http.Request) {
			oops(429, "requests", "", "x", "Retry-After", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))(w, r)
		}, true, health.RateLimited, health.OfKey, time.Minute},
		{"429 of a large request", oops(429, "tokens", "rate_limit_exceeded", "Request too large for m: Limit 100, Requested 200."), true, health.OK, 0, 0},
		{"503", oops(503, "server_error", "", "x"), false, health.Overloaded, 0, 0},
		{"503 with a time", oops(503, "server_error", "", "x", "Retry-After", "5"), false, health.Overloaded, health.OfModel, 5 * time.Second},
		{"529", oops(529, "overloaded_error", "", "x"), false, health.Overloaded, 0, 0},
		{"500", oops(500, "server_error", "", "x"), false, health.ServerError, 0, 0},
		{"500 with a time", oops(500, "server_error", "", "x", "Retry-After", "5"), false, health.ServerError, health.OfTarget, 5 * time.Second},
		{"504", oops(504, "", "", "x"), false, health.TimedOut, 0, 0},
		{"no answer", hangUp, false, health.Unreached, 0, 0},
		{"HTML", script(200, "text/html", "<html>"), false, health.Malformed, 0, 0},
		{"broken stream", events(role, "data: {]\n\n"), true, health.Malformed, 0, 0},
		{"cut after the first token", cutAfter("text/event-stream", role, word), true, health.Malformed, 0, 0},
		{"half of a body", cutAfter("application/json", completion[:50]), false, health.Malformed, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			second, body := answer(completion), chat
			if tt.stream {
				second, body = events(role+word+end+tokens+done), stream
			}
			w, board, targets := watched(t, vendor{handler: tt.first}, vendor{handler: second})
			w.post("/chat/completions", body)
			got := board.Look(targets[0], time.Now())
			if tt.class == health.OK {
				if got.Stats != nil || got.State != health.Closed {
					t.Errorf("it counts: %+v", got)
				}
				return
			}
			if got.Stats == nil || got.Stats.Failed[tt.class] < 0.9 || got.InFlight != 0 {
				t.Errorf("no %v: %+v", tt.class, got.Stats)
			}
			if tt.scope == 0 {
				if got.State != health.Closed {
					t.Errorf("once is not enough: %+v", got)
				}
				return
			}
			if got.State != health.Open || got.Scope != tt.scope || got.Opening.Asked != (tt.asked > 0) {
				t.Fatalf("%+v, %+v", got, got.Opening)
			}
			if wait := got.Opening.Until.Sub(got.Opening.Since); tt.asked > 0 && (wait > tt.asked || wait < tt.asked-2*time.Second) {
				t.Errorf("out of use for %v", wait)
			}
		})
	}
}

// What answers is measured, and what is out of use is left alone until nothing else is there.
func TestPlansGoByHealth(t *testing.T) {
	t.Parallel()
	var ill atomic.Bool
	ill.Store(true)
	limited, well := oops(429, "requests", "", "x", "Retry-After", "60"), events(role+word+end+tokens+done)
	sometimes := func(w http.ResponseWriter, r *http.Request) {
		if ill.Load() {
			limited(w, r)
		} else {
			well(w, r)
		}
	}
	w, board, targets := watched(t, vendor{handler: sometimes}, vendor{handler: well})
	for i, want := range []string{"2", "1", "1"} {
		if a := w.post("/chat/completions", stream); a.Header.Get("X-Aihigress-Attempts") != want || a.Header.Get("X-Aihigress-Provider") != "v1" {
			t.Errorf("call %d: %v", i, a.Header)
		}
	}
	s := board.Look(targets[1], time.Now())
	if s.Stats == nil || s.Stats.FirstToken.Count < 2.9 || s.Stats.Speed.Mean <= 0 || s.Stats.Failed != (health.Stats{}).Failed {
		t.Errorf("%+v", s.Stats)
	}
	// The other provider fails too: all are out of use or bad, so the least bad answers.
	blocked, _ := board.Begin(targets[1], false)
	blocked.End(health.Result{Class: health.RateLimited, RetryAfter: time.Hour})
	ill.Store(false)
	if a := w.post("/chat/completions", stream); a.StatusCode != 200 || a.Header.Get("X-Aihigress-Provider") != "v0" || a.Header.Get("X-Aihigress-Attempts") != "1" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if s := board.Look(targets[0], time.Now()); s.State != health.Closed {
		t.Errorf("it answered, and is %+v", s.Opening)
	}
}

// One caller's bad requests change nothing for others.
func TestBadRequestsDoNotHarmOthers(t *testing.T) {
	t.Parallel()
	picky := func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 200 {
			oops(400, "invalid_request_error", "", "too much")(w, r)
			return
		}
		answer(completion)(w, r)
	}
	w, board, targets := watched(t, vendor{handler: picky}, vendor{handler: answer(completion)})
	bad := strings.Replace(chat, "hello", strings.Repeat("hello ", 100), 1)
	for range 20 {
		if a := w.post("/chat/completions", bad); a.StatusCode != 400 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	if a := w.post("/chat/completions", chat); a.Header.Get("X-Aihigress-Provider") != "v0" || a.Header.Get("X-Aihigress-Attempts") != "1" {
		t.Errorf("%v", a.Header)
	}
	if s := board.Look(targets[0], time.Now()); s.Stats.Attempts > 1.1 {
		t.Errorf("%+v", s.Stats)
	}
}

// A caller may ask for a strategy, but for none that needs what only the model has.
func TestStrategyOfTheCaller(t *testing.T) {
	t.Parallel()
	w, board, targets := watched(t, vendor{handler: answer(completion)}, vendor{handler: answer(completion)})
	model, _ := w.snapshot.Model("m")
	for i := range model.Routes {
		model.Routes[i].Priority = 0
	}
	cheap := *model.Routes[1].Upstream
	cheap.Rate.Input, cheap.Rate.Output = price("0.1"), price("0.1")
	model.Routes[1].Upstream = &cheap
	for i, wait := range []time.Duration{0, 5 * time.Millisecond} {
		for range 10 { // of which the second fails half
			a, _ := board.Begin(targets[i], true)
			a.End(health.Result{Class: health.OK, Tokens: 100})
			if wait > 0 {
				b, _ := board.Begin(targets[i], true)
				b.End(health.Result{Class: health.Forbidden})
				a, _ := board.Begin(targets[i], true)
				a.End(health.Result{Class: health.OK, Tokens: 100})
			}
		}
	}
	for asked, want := range map[string]string{"cost": "v1", "Reliability": "v0", "": "v0"} {
		for range 10 {
			if a := w.post("/chat/completions", chat, "X-Aihigress-Strategy", asked); a.Header.Get("X-Aihigress-Provider") != want {
				t.Errorf("%q went to %v", asked, a.Header.Get("X-Aihigress-Provider"))
			}
		}
	}
	for _, asked := range []string{"latency", "balanced"} {
		if a := w.post("/chat/completions", chat, "X-Aihigress-Strategy", asked); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", asked, a.StatusCode, a.body)
		}
	}
	for _, asked := range []string{"weighted", "fastest", "priority"} {
		a := w.post("/chat/completions", chat, "X-Aihigress-Strategy", asked)
		if a.StatusCode != 400 || !strings.Contains(a.body, "x-aihigress-strategy") {
			t.Errorf("%s: %d %s", asked, a.StatusCode, a.body)
		}
	}
	refused := 0
	for _, e := range w.meter.finished {
		if e.Outcome == usage.Refused {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("%d refused, want 3", refused)
	}
}
