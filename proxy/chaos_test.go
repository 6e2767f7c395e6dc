package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/secret"
	"aihigress/internal/simulator"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

const (
	blackHole = "ttft=1h" // takes everything and answers nothing
	noName    = "no name" // is not found
)

// callOf finds which call a request is.
var callOf = regexp.MustCompile(`call \d+\.`)

// A trouble is what is wrong with a provider, or with one of its keys, for a time.
type trouble struct {
	from, to time.Duration // since the start
	key      string        // "" is every key
	flaps    time.Duration // comes and goes with this period
	knobs    string        // of the simulator
}

// fleet is three providers with two keys each, all played by the simulator in this process, so that the fake clock rules.
type fleet struct {
	sim      http.Handler
	start    time.Time
	troubles map[string]trouble // by slug
	board    *health.Board
	targets  []health.Target

	mu        sync.Mutex
	asked     []called
	committed map[string]time.Time // when a caller had the first of an answer, by call
	ejected   []string             // attempts on what was out of use while something else was not
}

type called struct {
	at   time.Time
	slug string
	call string
}

// A caller notes when the answer begins.
type caller struct {
	*httptest.ResponseRecorder
	fleet *fleet
	call  string
}

func (c *caller) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("data:")) { // and not a keep-alive
		c.fleet.mu.Lock()
		if _, begun := c.fleet.committed[c.call]; !begun {
			c.fleet.committed[c.call] = time.Now()
		}
		c.fleet.mu.Unlock()
	}
	return c.ResponseRecorder.Write(p)
}

// onlySlow reports whether the troubles make nothing fail.
func (f *fleet) onlySlow() bool {
	for _, t := range f.troubles {
		if !strings.HasPrefix(t.knobs, "ttft") || t.knobs == blackHole {
			return false
		}
	}
	return true
}

// forced says why an attempt should not have been made, if so.
func (f *fleet) forced(t health.Target, now time.Time) string {
	better := 0
	for _, other := range f.targets {
		if f.board.Look(other, now).State == health.Closed {
			better++
		}
	}
	for _, c := range f.board.Ejected(t.Provider) {
		touches := (c.Place.Key.IsZero() || c.Place.Key == t.Key) && (c.Place.Model == "" || c.Place.Model == t.Model)
		if touches && now.Before(c.Open.Until) && c.Open.Since.Before(now) && better > 0 {
			return fmt.Sprintf("after %v: %s is out of use (%s), and %d others are not", now.Sub(f.start), c.Place.Scope, c.Open.Why, better)
		}
	}
	return ""
}

// Do answers one call of a vendor.
func (f *fleet) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	slug, key := c.Provider.Slug, c.Key.Secret.Reveal()
	now := time.Now()
	var body strings.Builder
	for _, piece := range c.Body {
		body.Write(piece)
	}
	f.mu.Lock()
	f.asked = append(f.asked, called{now, slug, callOf.FindString(body.String())})
	if why := f.forced(health.Target{Provider: c.Provider.ID, Model: "sim-chat", Key: c.Key.ID}, now); why != "" {
		f.ejected = append(f.ejected, why)
	}
	f.mu.Unlock()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(body.String()))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("X-Sim-Ttft", "20ms")
	r.Header.Set("X-Sim-Tps", "200")
	r.Header.Set("X-Sim-Tokens", "10")
	if t, ok := f.troubles[slug]; ok && t.at(now.Sub(f.start)) && (t.key == "" || t.key == key) {
		if t.knobs == noName {
			return nil, fault.New(fault.Upstream, "no such host").WithCode(upstream.CodeConnect)
		}
		knobs, err := url.ParseQuery(t.knobs)
		if err != nil {
			panic(err)
		}
		for name := range knobs {
			r.Header.Set("X-Sim-"+strings.ReplaceAll(name, "_", "-"), knobs.Get(name))
		}
	}
	return play(f.sim, r)
}

func (t *trouble) at(since time.Duration) bool {
	return since >= t.from && since < t.to && (t.flaps == 0 || (since-t.from)%t.flaps < t.flaps/2)
}

// play serves a request by a handler, as a transport would: the answer is there with its header.
func play(handler http.Handler, r *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w := &player{header: http.Header{}, body: writer, begun: make(chan struct{})}
	go func() {
		defer func() {
			err := io.EOF
			if recover() != nil { // the simulator cuts its connections so
				err = io.ErrUnexpectedEOF
			}
			w.once.Do(func() { close(w.begun) })
			writer.CloseWithError(err)
		}()
		handler.ServeHTTP(w, r)
	}()
	context.AfterFunc(r.Context(), func() { reader.CloseWithError(r.Context().Err()) })
	select {
	case <-w.begun:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if w.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: w.status, Header: w.sent, Body: reader, ContentLength: -1}, nil
}

// A player is the simulator's way to its caller.
type player struct {
	header, sent http.Header
	status       int
	body         *io.PipeWriter
	once         sync.Once
	begun        chan struct{}
}

func (p *player) Header() http.Header { return p.header }
func (p *player) Flush()              { p.WriteHeader(http.StatusOK) }

func (p *player) WriteHeader(status int) {
	p.once.Do(func() {
		p.status, p.sent = status, p.header.Clone()
		close(p.begun)
	})
}

func (p *player) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.body.Write(b)
}

// The caller's view, whatever two of the three providers do: at least 99.95 % of the requests are answered, and a provider
// that is well again has its traffic back within ten seconds.
func TestChaos(t *testing.T) {
	t.Parallel()
	const from, to = 20 * time.Second, 80 * time.Second
	tests := []struct {
		name     string
		troubles map[string]trouble
		truncate bool // streams are cut in the middle, which nobody can mend
	}{
		{"errors", map[string]trouble{"v0": {from: from, to: to, knobs: "error=500"}}, false},
		{"overload at two", map[string]trouble{"v0": {from: from, to: to, knobs: "error=503"}, "v1": {from: from, to: to, knobs: "error=529"}}, false},
		{"429 with Retry-After", map[string]trouble{"v0": {from: from, to: to, knobs: "error=429&retry_after=3"}, "v2": {from: from, to: to, key: "sk-v2-0", knobs: "error=429&retry_after=7"}}, false},
		{"no connection", map[string]trouble{"v0": {from: from, to: to, knobs: "error=drop"}, "v2": {from: from, to: to, knobs: "error=drop"}}, false},
		{"slow first tokens", map[string]trouble{"v0": {from: from, to: to, knobs: "ttft=5s"}}, false},
		{"cut before the first token", map[string]trouble{"v0": {from: from, to: to, knobs: "malformed=1"}}, false},
		{"a key refused", map[string]trouble{"v1": {from: from, to: to, key: "sk-v1-1", knobs: "error=401"}}, false},
		{"flapping", map[string]trouble{"v0": {from: from, to: to, flaps: 6 * time.Second, knobs: "error=500"}, "v1": {from: from, to: to, flaps: 10 * time.Second, knobs: "error=drop"}}, false},
		{"some of everything", map[string]trouble{"v0": {from: from, to: to, knobs: "error=500&error_rate=0.4"}, "v1": {from: from, to: to, flaps: 4 * time.Second, knobs: "error=429&retry_after=1"}}, false},
		{"malformed frames", map[string]trouble{"v0": {from: from, to: to, knobs: "malformed=1"}, "v2": {from: from, to: to, flaps: 8 * time.Second, knobs: "malformed=1"}}, false},
		{"black hole", map[string]trouble{"v0": {from: from, to: to, knobs: blackHole}}, false},
		{"black holes that come and go", map[string]trouble{"v0": {from: from, to: to, flaps: 10 * time.Second, knobs: blackHole}, "v1": {from: from, to: to, flaps: 14 * time.Second, knobs: blackHole}}, false},
		{"no name", map[string]trouble{"v1": {from: from, to: to, knobs: noName}}, false},
		{"every kind at once", map[string]trouble{
			"v0": {from: from, to: to, flaps: 6 * time.Second, knobs: "error=429&retry_after=2"},
			"v1": {from: from, to: to, flaps: 9 * time.Second, knobs: "ttft=4s&error=500&error_rate=0.5"},
			"v2": {from: from, to: to, key: "sk-v2-0", knobs: noName},
		}, false},
		{"cuts after the first token", map[string]trouble{"v0": {from: from, to: to, knobs: "cut=3"}}, true},
	}
	for name, model := range map[string]snapshot.Model{
		"balanced": {Strategy: "balanced"}, "round_robin": {Strategy: "round_robin"}, "hedged": {Strategy: "balanced", Hedge: true},
	} {
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f, outcomes := chaos(t, model, tt.troubles, 2*time.Minute)
					judgeChaos(t, f, outcomes, tt.truncate, to, model)
				})
			})
		}
	}
}

// chaos serves twenty requests a second for a time.
func chaos(t *testing.T, model snapshot.Model, troubles map[string]trouble, length time.Duration) (*fleet, []usage.Event) {
	f := &fleet{sim: simulator.New(simulator.Options{Seed: 1}), start: time.Now(), troubles: troubles, board: health.New(health.Options{}), committed: map[string]time.Time{}}
	key := mint()
	contents := snapshot.Contents{Keys: []*snapshot.Key{newKey(key)}}
	model.Name, model.RetryBudget = "m", 10
	for i := range 3 {
		slug := fmt.Sprintf("v%d", i)
		p := &snapshot.Provider{ID: id.New[id.Provider](), Slug: slug, Dialect: "openai", Visibility: "public", BaseURL: &url.URL{Scheme: "https", Host: slug + ".test", Path: "/v1"}}
		for k := range 2 {
			f.targets = append(f.targets, health.Target{Provider: p.ID, Model: "sim-chat"})
			p.Keys = append(p.Keys, snapshot.ProviderKey{ID: id.New[id.ProviderKey](), Weight: 1, Secret: secret.NewText(fmt.Sprintf("sk-%s-%d", slug, k))})
			f.targets[len(f.targets)-1].Key = p.Keys[k].ID
		}
		contents.Providers = append(contents.Providers, p)
		model.Routes = append(model.Routes, snapshot.Route{Provider: p, UpstreamID: "sim-chat", Weight: 1})
	}
	contents.Models = []*snapshot.Model{&model}
	meter := &meter{}
	w := &world{snapshot: snapshot.New(contents), t: t}
	handler := proxy.New(proxy.Options{Config: w, Limits: unlimited{}, Credit: freely{}, Meter: meter, Upstream: f, Health: f.board,
		FirstToken: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
	rng := rand.New(rand.NewPCG(1, 1))
	var wg sync.WaitGroup
	for n := 0; time.Since(f.start) < length; n++ {
		call := fmt.Sprintf("call %d.", n)
		wg.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(strings.Replace(stream, "hello there", call, 1)))
			r.Header.Set("Authorization", "Bearer "+key)
			handler.ServeHTTP(&caller{httptest.NewRecorder(), f, call}, r)
		})
		time.Sleep(time.Duration(rng.ExpFloat64() * float64(50*time.Millisecond))) // of the fake clock
	}
	wg.Wait()
	return f, meter.finished
}

func judgeChaos(t *testing.T, f *fleet, outcomes []usage.Event, truncate bool, over time.Duration, model snapshot.Model) {
	t.Helper()
	failed := 0
	for i := range outcomes {
		e := &outcomes[i]
		if e.Outcome == usage.OK || truncate && e.Outcome == usage.Truncated {
			continue
		}
		failed++
		t.Logf("after %v: %s %s %+v", e.StartedAt.Sub(f.start), e.Outcome, e.ErrorCode, e.Attempts)
	}
	if len(outcomes) < 2000 || failed*2000 > len(outcomes) {
		t.Errorf("%d of %d requests failed", failed, len(outcomes))
	}
	before, after := map[string]int{}, map[string]int{}
	for _, a := range f.asked {
		if at, begun := f.committed[a.call]; begun && a.at.After(at) {
			t.Errorf("%s was sent to %s %v after its answer had begun", a.call, a.slug, a.at.Sub(at))
		}
		switch since := a.at.Sub(f.start); {
		case since < 20*time.Second:
			before[a.slug]++
		case since >= over+10*time.Second:
			after[a.slug]++
		}
	}
	t.Logf("%d of %d requests failed; attempts before %v and after %v, %d in all", failed, len(outcomes), before, after, len(f.asked))
	if len(f.asked) == len(outcomes) && !truncate && !f.onlySlow() {
		t.Error("no trouble was met")
	}
	least := 1.0 // of the attempts in 20 seconds before, within 30 after
	if model.Strategy != "round_robin" {
		least = 0.05 // who is a little better for the moment may have more
	}
	for slug, n := range before {
		if float64(after[slug]) < least*float64(n) {
			t.Errorf("%s had %d attempts in 20 seconds before, and %d in the last 30", slug, n, after[slug])
		}
	}
	for _, why := range f.ejected {
		t.Error(why)
	}
}
