package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aihigress/internal/apikey"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
	"aihigress/internal/overload"
	"aihigress/internal/pricing"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A vendor is a provider and what it answers.
type vendor struct {
	handler  http.HandlerFunc
	keys     []string // secrets; one by default
	unpriced bool
	silent   bool // is not asked for the usage of streams
}

// A world is a proxy, its vendors, and books that can be read.
type world struct {
	t        *testing.T
	o        proxy.Options
	key      string
	snapshot *snapshot.Snapshot
	meter    *meter
	credit   *creditor
	url      string // of the gateway, with /v1
}

// newWorld serves the model "m" by vendors called v0, v1 and so on, tried in this order. Upstream it is called "up-m".
func newWorld(t *testing.T, vendors []vendor, change ...func(*proxy.Options, *snapshot.Contents)) *world {
	t.Helper()
	client := upstream.New(upstream.Options{})
	t.Cleanup(client.Close)
	w := &world{t: t, key: apikey.Mint().Reveal(), meter: &meter{}, credit: &creditor{}}
	contents := snapshot.Contents{Keys: []*snapshot.Key{newKey(w.key)}}
	model := &snapshot.Model{ID: id.New[id.Model](), Name: "m", Strategy: "priority", RetryBudget: 10, CreatedAt: time.Unix(1_700_000_000, 0)}
	for i, v := range vendors {
		p := newProvider(t, i, v)
		contents.Providers = append(contents.Providers, p)
		model.Routes = append(model.Routes, snapshot.Route{Provider: p, Upstream: p.Models["up-m"], UpstreamID: "up-m", Weight: 1, Priority: i})
	}
	contents.Models = []*snapshot.Model{model}
	w.o = proxy.Options{
		Config: w, Limits: unlimited{}, Credit: w.credit, Meter: w.meter, Upstream: client,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Gate: overload.New(overload.Options{}),
	}
	t.Cleanup(func() { // whatever happened to its calls
		if got := w.o.Gate.Totals(); got.InFlight != 0 || got.Waiting != 0 {
			t.Errorf("slots of the gate are lost: %+v", got)
		}
	})
	for _, f := range change {
		f(&w.o, &contents)
	}
	w.snapshot = snapshot.New(contents)
	server := httptest.NewServer(proxy.New(w.o))
	t.Cleanup(server.Close)
	w.url = server.URL + "/v1"
	return w
}

func (w *world) Current() *snapshot.Snapshot { return w.snapshot }

func newKey(text string) *snapshot.Key {
	return &snapshot.Key{ID: id.New[id.Key](), Hash: apikey.Hash(text), UserID: id.New[id.User](), AccountID: id.New[id.Account](),
		Scopes: []string{"inference"}, Hint: "hint"}
}

func newProvider(t *testing.T, i int, v vendor) *snapshot.Provider {
	t.Helper()
	server := httptest.NewServer(v.handler)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	m := &snapshot.ProviderModel{UpstreamID: "up-m"}
	if !v.unpriced {
		m.Rate = pricing.Rate{Input: price("1"), Output: price("10")}
	}
	p := &snapshot.Provider{ID: id.New[id.Provider](), Slug: fmt.Sprintf("v%d", i), Dialect: "openai", BaseURL: base, Visibility: "public",
		AllowPrivate: true, AskStreamUsage: !v.silent, Models: map[string]*snapshot.ProviderModel{"up-m": m}}
	if v.keys == nil {
		v.keys = []string{fmt.Sprintf("secret-of-v%d", i)}
	}
	for _, key := range v.keys {
		p.Keys = append(p.Keys, snapshot.ProviderKey{ID: id.New[id.ProviderKey](), Secret: secret.NewText(key), Weight: 1})
	}
	return p
}

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

func price(text string) *money.Price {
	p, err := money.ParsePrice(text)
	if err != nil {
		panic(err)
	}
	return &p
}

// An answered is a response with its body read.
type answered struct {
	*http.Response
	body string
	err  error // of reading the body
}

func (w *world) do(r *http.Request) answered {
	w.t.Helper()
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+w.key)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answered{response, string(body), err}
}

func (w *world) post(path, body string, headers ...string) answered {
	w.t.Helper()
	return w.do(w.request(path, body, headers...))
}

func (w *world) request(path, body string, headers ...string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (w *world) get(path string, headers ...string) answered {
	w.t.Helper()
	r := w.request(path, "", headers...)
	r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0
	return w.do(r)
}

// chat is a request that is not streamed, stream one that is.
const (
	chat   = `{"model":"m","messages":[{"role":"user","content":"hello there"}]}`
	stream = `{"model":"m","stream":true,"messages":[{"role":"user","content":"hello there"}]}`
)

// A meter keeps the events.
type meter struct {
	mu       sync.Mutex
	admitted []usage.Event
	finished []usage.Event
	signal   chan struct{} // closed at the first Finished, if set
	full     error         // of the disk, when a call ends
	broken   bool          // panics when a call ends
}

func (m *meter) Admitted(_ context.Context, e *usage.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.admitted = append(m.admitted, *e)
	return nil
}

func (m *meter) Finished(_ context.Context, e *usage.Event) error {
	if m.broken {
		panic("the meter is broken")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finished = append(m.finished, *e)
	if m.signal != nil {
		close(m.signal)
	}
	return m.full
}

// tell sets what is closed at the next Finished, while calls are under way.
func (m *meter) tell(signal chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signal = signal
}

func (m *meter) count() (admitted, finished int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.admitted), len(m.finished)
}

// only is the event of the one call that was made.
func (w *world) only() usage.Event {
	w.t.Helper()
	w.meter.mu.Lock()
	defer w.meter.mu.Unlock()
	if len(w.meter.finished) != 1 {
		w.t.Fatalf("%d finished events, want 1", len(w.meter.finished))
	}
	return w.meter.finished[0]
}

// A creditor gives holds until it is told not to, and knows how each ended.
type creditor struct {
	mu      sync.Mutex
	refuse  error
	held    []money.Amount
	settled []money.Amount
	open    int
}

func (c *creditor) Reserve(_ context.Context, _ id.Account, amount money.Amount) (proxy.Hold, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return nil, c.refuse
	}
	c.held = append(c.held, amount)
	c.open++
	return &hold{c: c}, nil
}

type hold struct {
	c    *creditor
	once sync.Once
}

func (h *hold) Settle(charge money.Amount) {
	h.once.Do(func() {
		h.c.mu.Lock()
		defer h.c.mu.Unlock()
		h.c.open--
		h.c.settled = append(h.c.settled, charge)
	})
}

func (h *hold) Release() {
	h.once.Do(func() {
		h.c.mu.Lock()
		defer h.c.mu.Unlock()
		h.c.open--
	})
}

func (c *creditor) stillHeld() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

type unlimited struct{}

func (unlimited) Admit(context.Context, limit.Use, []limit.Claim) (*limit.Lease, limit.State, error) {
	return nil, limit.State{}, nil
}

func (unlimited) Take(context.Context, limit.Use, ...limit.Claim) (*limit.Lease, error) {
	return nil, nil
}

// script answers with a status, a content type and bytes, each piece flushed.
func script(status int, contentType string, pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		for _, p := range pieces {
			_, _ = io.WriteString(w, p)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func events(pieces ...string) http.HandlerFunc { return script(200, "text/event-stream", pieces...) }

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

// cutAfter writes and then breaks the connection.
func cutAfter(contentType string, pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		script(200, contentType, pieces...)(w, r)
		panic(http.ErrAbortHandler)
	}
}

// Parts of streams, as OpenAI sends them.
const (
	role   = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	word   = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}` + "\n\n"
	end    = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	tokens = `data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}` + "\n\n"
	done   = "data: [DONE]\n\n"

	completion = `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}`
)

// charged is what 100 tokens in and 20 out cost in a world.
const charged = money.Amount(300_000)

func header(h http.Header, names ...string) string {
	var b bytes.Buffer
	for _, name := range names {
		fmt.Fprintf(&b, "%s=%s ", name, h.Get(name))
	}
	return strings.TrimSpace(b.String())
}

// discard is a meter without books, freely a credit without end.
type (
	discard struct{}
	freely  struct{}
)

func (discard) Admitted(context.Context, *usage.Event) error { return nil }
func (discard) Finished(context.Context, *usage.Event) error { return nil }
func (freely) Reserve(context.Context, id.Account, money.Amount) (proxy.Hold, error) {
	return freely{}, nil
}
func (freely) Settle(money.Amount) {}
func (freely) Release()            {}
