package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
)

// A keyWatcher is a vendor that notes which keys it is called with, and ends its streams when it is told to.
type keyWatcher struct {
	*httptest.Server
	finish chan struct{} // closed: streams end

	mu     sync.Mutex
	calls  map[string]int // by key
	open   int
	widest int // the most at once
}

func newKeyWatcher(t *testing.T) *keyWatcher {
	v := &keyWatcher{finish: make(chan struct{}), calls: map[string]int{}}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(v.Close)
	return v
}

func (v *keyWatcher) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPost {
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"up","object":"model"}]}`)
		return
	}
	if strings.Contains(string(body), `"max_tokens":1}`) || strings.Contains(string(body), `"max_tokens":1,`) {
		_, _ = io.WriteString(w, wholeAnswer) // a probe
		return
	}
	v.mu.Lock()
	v.calls[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]++
	v.open++
	v.widest = max(v.widest, v.open)
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.open--
		v.mu.Unlock()
	}()
	if !strings.Contains(string(body), `"stream":true`) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, wholeAnswer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(data string) {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
		_ = http.NewResponseController(w).Flush()
	}
	send(`{"id":"c","object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":"begun "}}]}`)
	select {
	case <-v.finish:
	case <-r.Context().Done():
		return
	}
	send(`{"id":"c","object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"content":"ended"},"finish_reason":"stop"}]}`)
	send(`{"id":"c","object":"chat.completion.chunk","model":"up","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}`)
	send(`[DONE]`)
}

const wholeAnswer = `{"id":"c","object":"chat.completion","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}`

func (v *keyWatcher) with(key string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[key]
}

func (v *keyWatcher) atOnce() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open
}

// streams starts n streams, and returns once the vendor serves them all. wait is how they ended.
func (v *keyWatcher) streams(t *testing.T, n int, tenants ...*tenant) (wait func() []error) {
	t.Helper()
	ended := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		client := tenants[i%len(tenants)].sdk()
		running.Go(func() {
			stream := client.Chat.Completions.NewStreaming(t.Context(), hello(tenants[0].model))
			text := ""
			for stream.Next() {
				for _, choice := range stream.Current().Choices {
					text += choice.Delta.Content
				}
			}
			if ended[i] = stream.Err(); ended[i] == nil && text != "begun ended" {
				ended[i] = fmt.Errorf("the stream broke off after %q", text)
			}
		})
	}
	return func() []error {
		running.Wait()
		return ended
	}
}

// keysOf are the vendor keys of a tenant's provider.
func keysOf(t *testing.T, g *graph, c *tenant) (provider string, keys []string) {
	t.Helper()
	var found struct {
		Providers struct {
			Nodes []struct {
				ID   string
				Slug string
				Keys []struct{ ID string }
			}
		}
	}
	g.do(t, `query($q: String) { providers(first: 100, filter: {query: $q}) { nodes { id slug keys { id } } } }`, vars{"q": c.slug}, &found)
	for _, p := range found.Providers.Nodes {
		if p.Slug == c.slug {
			for _, k := range p.Keys {
				keys = append(keys, k.ID)
			}
			return p.ID, keys
		}
	}
	t.Fatalf("no provider %s", c.slug)
	return "", nil
}

// TestVendorKeysChangeUnderStreams adds, rotates and removes the key of a provider while streams are under way with it: these
// go on to their end, and the next call has the new key.
func TestVendorKeysChangeUnderStreams(t *testing.T) {
	t.Parallel()
	const streams = 20
	s := newStores(t)
	n := startNode(t, s, t.TempDir())
	g := firstAdmin(t, s, n)
	vendor := newKeyWatcher(t)
	c := newTenant(t, g, vendor.URL+"/v1", terms{vendor: "up"})
	wait := vendor.streams(t, streams, c)
	eventually(t, patience(10*time.Second), "the streams are under way", func() bool { return vendor.atOnce() == streams })

	provider, keys := keysOf(t, g, c)
	g.do(t, `mutation($id: ID!) { rotateProviderKey(input: {id: $id, secret: "sk-rotated"}) { userErrors { code message } } }`, vars{"id": keys[0]}, nil)
	took := eventually(t, patience(time.Second), "calls have the rotated key", func() bool {
		c.chat(t)
		return vendor.with("sk-rotated") > 0
	})
	t.Logf("rotated after %s", took.Round(time.Millisecond))
	first := vendor.with("sk-sim-of-" + c.slug)
	g.do(t, `mutation($id: ID!) { addProviderKey(input: {providerId: $id, key: {secret: "sk-added"}}) { userErrors { code message } } }`, vars{"id": provider}, nil)
	g.do(t, `mutation($id: ID!) { removeProviderKey(input: {id: $id}) { userErrors { code message } } }`, vars{"id": keys[0]}, nil)
	took = eventually(t, patience(time.Second), "calls have the added key, and no longer the removed one", func() bool {
		before := vendor.with("sk-rotated")
		for range 5 {
			c.chat(t)
		}
		return vendor.with("sk-rotated") == before
	})
	t.Logf("removed after %s", took.Round(time.Millisecond))
	if vendor.with("sk-added") == 0 || vendor.atOnce() != streams {
		t.Errorf("%d calls with the added key, and %d of %d streams are left", vendor.with("sk-added"), vendor.atOnce(), streams)
	}
	close(vendor.finish)
	if err := errors.Join(wait()...); err != nil {
		t.Error(err)
	}
	if more := vendor.with("sk-sim-of-"+c.slug) - first; more != 0 {
		t.Errorf("%d calls with the first key after it was replaced", more)
	}
}

// TestVendorKeyLimitsHoldOverGateways holds a vendor's key to its calls at once and calls a second over two gateways; a
// limit that is changed holds within a second.
func TestVendorKeyLimitsHoldOverGateways(t *testing.T) {
	t.Parallel()
	const most = 5
	p := startPair(t)
	vendor := newKeyWatcher(t)
	c := newTenant(t, p.admin, vendor.URL+"/v1", terms{vendor: "up"})
	onB := c.on(p.b)
	_, keys := keysOf(t, p.admin, c)
	limit := func(limits string) {
		p.admin.do(t, `mutation($id: ID!) { updateProviderKey(input: {id: $id, `+limits+`}) { userErrors { code message } } }`, vars{"id": keys[0]}, nil)
	}
	busy := func(err error) bool {
		refusal, ok := errors.AsType[*openai.Error](err)
		return ok && refusal.StatusCode == http.StatusTooManyRequests && refusal.Code == "upstream_busy" && refusal.Response.Header.Get("Retry-After") != ""
	}
	limit(fmt.Sprintf("maxConcurrency: %d", most))
	<-time.After(patience(time.Second)) // which is how long a change may take
	wait := vendor.streams(t, 16, c, onB)
	eventually(t, patience(10*time.Second), "the key is at its limit", func() bool { return vendor.atOnce() == most })
	close(vendor.finish)
	ended, refused := 0, 0
	for _, err := range wait() {
		switch {
		case err == nil:
			ended++
		case busy(err):
			refused++
		default:
			t.Error(err)
		}
	}
	if vendor.widest != most || ended < most || ended+refused != 16 {
		t.Errorf("%d at once, %d ended well, %d were refused; want %d at once", vendor.widest, ended, refused, most)
	}

	limit("maxConcurrency: null, maxQps: 4")
	<-time.After(patience(time.Second))
	begin, passed := time.Now(), 0
	for i := range 30 {
		client := []*tenant{c, onB}[i%2].sdk()
		_, err := client.Chat.Completions.New(t.Context(), hello(c.model))
		switch {
		case err == nil:
			passed++
		case !busy(err):
			t.Fatal(err)
		}
	}
	if spare := 1 + int(time.Since(begin).Seconds()*4); passed < 4 || passed > 4+spare {
		t.Errorf("%d calls within %s, want 4 and %d more at most", passed, time.Since(begin), spare)
	}
}
