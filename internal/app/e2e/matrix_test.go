package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/llm"
	"aihigress/internal/simulator"
)

// sides are the dialects that callers and upstreams speak.
var sides = []string{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini}

// sdks are the vendors' official clients, by what they speak.
var sdks = map[string]sdk{llm.OpenAI: chatSDK{}, llm.Responses: responsesSDK{}, llm.Anthropic: anthropicSDK{}, llm.Gemini: geminiSDK{}}

// TestMatrix lets the official client of each dialect do all that an app does, with a vendor of each dialect behind the
// gateway, streamed and not. What passed, and what each pair leaves out, is the table in docs/dialects.md: see -update.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	t.Run("pairs", func(t *testing.T) {
		for _, caller := range sides {
			for _, upstream := range sides {
				for _, f := range features {
					m.run(t, caller, upstream, f)
				}
			}
		}
	})
	t.Run("table", m.checkTable)
}

// A matrix is one gateway, with one provider for each dialect, and what came of the tests on it.
type matrix struct {
	dev       *dev
	admin     *graph
	vendor    *simulator.Server
	providers map[string]string // id by dialect

	mu      sync.Mutex
	models  map[string]*sync.Mutex // held while one is made, by name
	arrived map[string][][]byte    // bodies of requests, by the cell that caused them
	passed  map[field]bool
}

// A field is one mark in the table.
type field struct {
	caller, upstream, feature string
	stream                    bool
}

func (f field) String() string {
	return strings.ReplaceAll(fmt.Sprintf("%s %s %s %s", f.caller, f.upstream, f.feature, f.way()), " ", "-")
}

func (f field) way() string {
	if f.stream {
		return "stream"
	}
	return "whole"
}

// cellHeader names the cell to the vendor: headers of no family pass through the gateway.
const cellHeader = "X-Matrix-Cell"

func newMatrix(t *testing.T) *matrix {
	m := &matrix{providers: map[string]string{}, models: map[string]*sync.Mutex{}, arrived: map[string][][]byte{}, passed: map[field]bool{}}
	m.vendor = simulator.New(simulator.Options{Seed: 1, OnRequest: m.note})
	server := httptest.NewServer(m.vendor)
	t.Cleanup(server.Close)
	t.Cleanup(m.vendor.Close)
	m.dev = startDev(t, newDir(t))
	m.admin = m.dev.admin(t)
	for dialect, base := range map[string]string{llm.OpenAI: "/v1", llm.Responses: "/v1", llm.Anthropic: "", llm.Gemini: "/v1beta"} {
		var made struct {
			CreateProvider struct{ Provider struct{ ID string } }
		}
		m.admin.do(t, `mutation($in: CreateProviderInput!) { createProvider(input: $in) { provider { id } userErrors { code message } } }`, vars{"in": vars{
			"name": "upstream " + dialect, "slug": "up-" + dialect, "dialect": strings.ToUpper(dialect), "baseUrl": server.URL + base,
			"acceptAnyModel": true, "allowPrivate": true, "keys": []vars{{"secret": "sk-sim-" + dialect}},
		}}, &made)
		m.providers[dialect] = made.CreateProvider.Provider.ID
	}
	return m
}

// note keeps what arrives at the vendor.
func (m *matrix) note(r *http.Request, body []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := r.Header.Get(cellHeader)
	m.arrived[id] = append(m.arrived[id], slices.Clone(body))
}

// model returns a model of the gateway's that stands for one of the vendor's, and makes it at first.
func (m *matrix) model(t *testing.T, upstream, vendors string) string {
	t.Helper()
	name := upstream + "-" + strings.Map(func(r rune) rune {
		if strings.ContainsRune("?&=", r) {
			return '-'
		}
		return r
	}, vendors)
	m.mu.Lock()
	made := m.models[name]
	if made == nil {
		made = new(sync.Mutex)
		m.models[name] = made
	}
	m.mu.Unlock()
	made.Lock()
	defer made.Unlock()
	caller := &tenant{url: m.dev.URL, key: m.dev.APIKey}
	if caller.status(t, "/v1/models/"+name) == http.StatusOK {
		return name
	}
	m.admin.do(t, `mutation($in: CreateModelInput!) { createModel(input: $in) { userErrors { code message } } }`, vars{
		"in": vars{"name": name, "routes": []vars{{"providerId": m.providers[upstream], "upstreamId": vendors}}},
	}, nil)
	eventually(t, patience(10*testLag), "the gateway serves "+name, func() bool { return caller.status(t, "/v1/models/"+name) == http.StatusOK })
	return name
}

// run tries one feature of one pair both ways, and notes what passed.
func (m *matrix) run(t *testing.T, caller, upstream string, f feature) {
	if f.has != nil && !f.has(caller, upstream) {
		return
	}
	for _, stream := range []bool{true, false} {
		if stream && f.whole {
			continue
		}
		at := field{caller, upstream, f.name, stream}
		t.Run(strings.Join([]string{caller, upstream, f.name, at.way()}, "/"), func(t *testing.T) {
			t.Parallel()
			c := &cell{T: t, field: at, m: m}
			f.test(c)
			c.checkPassed()
			if !t.Failed() {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.passed[at] = true
			}
		})
	}
}

// A cell is the test of one field.
type cell struct {
	*testing.T
	field
	m     *matrix
	drops []string // what may be left out, in the caller's words; nothing by default

	mu      sync.Mutex
	headers []http.Header // of the gateway's answers
}

// unique is a name of the vendor's for a model that no other cell has, so that its counts are this cell's.
func (c *cell) unique(knobs string) string { return "sim-" + c.String() + "?" + knobs }

// common is one that others have too.
func common(knobs string) string { return "sim-chat?seed=1" + knobs }

// sdk is the client under test.
func (c *cell) sdk() sdk { return sdks[c.caller] }

// begin starts a conversation with a model that the vendor calls so.
func (c *cell) begin(vendors string, s setup) conversation {
	c.Helper()
	s.model = c.m.model(c.T, c.upstream, vendors)
	s.url, s.key, s.http = c.m.dev.URL, c.m.dev.APIKey, c.http()
	talk, err := c.sdk().begin(c.Context(), s)
	if err != nil {
		c.Fatalf("the client does not start: %v", err)
	}
	return talk
}

// http is what the client sends with.
func (c *cell) http() *http.Client { return &http.Client{Transport: c} }

// RoundTrip marks the calls of the cell and keeps the headers of their answers.
func (c *cell) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(cellHeader, c.String())
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.headers = append(c.headers, resp.Header)
	}
	return resp, err
}

// ask sends what was said and must be answered.
func (c *cell) ask(talk conversation) *reply {
	c.Helper()
	got, err := talk.send(c.Context(), c.stream)
	if err != nil {
		c.Fatalf("not answered: %v\nthe vendor got %s", err, c.last())
	}
	return got
}

// got are the bodies that arrived at the vendor.
func (c *cell) got() [][]byte {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return slices.Clone(c.m.arrived[c.String()])
}

// last is the latest of them; nil where none arrived.
func (c *cell) last() []byte {
	all := c.got()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// counted are the vendor's own counts of a model that is unique.
func (c *cell) counted() simulator.Counts {
	return c.m.vendor.Stats().Models["sim-"+c.String()]
}

// await waits for the vendor's counts of such a model.
func (c *cell) await(what string, ok func(simulator.Counts) bool) {
	c.Helper()
	if err := c.waits(what, ok); err != nil {
		c.Fatal(err)
	}
}

// waits is await for goroutines beside the test.
func (c *cell) waits(what string, ok func(simulator.Counts) bool) error {
	ctx, cancel := context.WithTimeoutCause(c.Context(), patience(callTimeout), errors.New(what))
	defer cancel()
	return c.m.vendor.Await(ctx, func(s simulator.Stats) bool { return ok(s.Models["sim-"+c.String()]) })
}

// checkPassed holds for every cell: what was left out is what it says, and no vendor sees what the gateway packs for
// callers.
func (c *cell) checkPassed() {
	c.Helper()
	dropped := map[string]bool{}
	for _, h := range c.headers {
		for name := range strings.SplitSeq(h.Get("X-Aihigress-Dropped"), ",") {
			if name != "" {
				dropped[name] = true
			}
		}
		if h.Get("X-Aihigress-Provider") != "up-"+c.upstream {
			c.Errorf("answered by %q", h.Get("X-Aihigress-Provider"))
		}
	}
	if diff := cmp.Diff(c.drops, slices.Sorted(maps.Keys(dropped))); diff != "" {
		c.Errorf("left out: %s", diff)
	}
	for _, body := range c.got() {
		if bytes.Contains(body, []byte(llm.Mark)) || bytes.Contains(body, []byte(llm.MarkBase64)) {
			c.Errorf("the vendor got what was packed for the caller: %s", body)
		}
	}
}
