package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/snapshot"
)

// manyExits is exits with a clock of their own, and a provider with a pool of n proxies.
func manyExits(n int, choice string) (*exits, *clock, *snapshot.Provider) {
	e, at := newExits(), &clock{}
	e.now = at.now
	at.advance(time.Hour)
	p := &snapshot.Provider{ID: id.New[id.Provider](), Egress: &snapshot.EgressPool{ID: id.New[id.EgressPool](), Choice: choice}}
	for range n {
		p.Egress.Proxies = append(p.Egress.Proxies, snapshot.EgressProxy{ID: id.New[id.EgressProxy]()})
	}
	return e, at, p
}

func TestChoices(t *testing.T) {
	t.Parallel()
	const n, calls = 8, 8000
	for _, choice := range []string{"random", "round_robin"} {
		e, _, p := manyExits(n, choice)
		seen := map[id.EgressProxy]int{}
		for range calls {
			seen[e.choose(p, id.ProviderKey{}, nil).ID]++
		}
		for _, proxy := range p.Egress.Proxies {
			least, most := calls/n, calls/n
			if choice == "random" {
				least, most = least*8/10, most*12/10
			}
			if c := seen[proxy.ID]; c < least || c > most {
				t.Errorf("%s: one of %d proxies got %d of %d calls", choice, n, c, calls)
			}
		}
	}
}

// Each key has its proxy on all nodes; where a proxy goes, its keys alone move, to all of the others, and come back with it.
func TestSticky(t *testing.T) {
	t.Parallel()
	const n, keys = 5, 400
	e, at, p := manyExits(n, "sticky")
	other := newExits()
	var names [keys]id.ProviderKey
	var first [keys]id.EgressProxy
	load := map[id.EgressProxy]int{}
	for i := range names {
		names[i] = id.New[id.ProviderKey]()
		first[i] = e.choose(p, names[i], nil).ID
		load[first[i]]++
		if again, elsewhere := e.choose(p, names[i], nil).ID, other.choose(p, names[i], nil).ID; again != first[i] || elsewhere != first[i] {
			t.Fatal("a key moves without a reason")
		}
	}
	for _, proxy := range p.Egress.Proxies {
		if c := load[proxy.ID]; c < keys/n/2 || c > keys/n*2 {
			t.Errorf("a proxy has %d of %d keys", c, keys)
		}
	}
	dead := p.Egress.Proxies[2].ID
	e.failed(dead, p.ID, false)
	moved := map[id.EgressProxy]int{}
	for i, name := range names {
		now := e.choose(p, name, nil).ID
		if now == dead || first[i] != dead && now != first[i] {
			t.Fatal("a key is where it should not be")
		}
		if first[i] == dead {
			moved[now]++
		}
	}
	if len(moved) != n-1 {
		t.Errorf("the keys of a dead proxy moved to %d others, want %d", len(moved), n-1)
	}
	at.advance(minCool)
	for i, name := range names {
		if e.choose(p, name, nil).ID != first[i] {
			t.Fatal("a key did not come back")
		}
	}
}

func TestCooldown(t *testing.T) {
	t.Parallel()
	e, at, p := manyExits(2, "round_robin")
	bad, good := p.Egress.Proxies[0].ID, p.Egress.Proxies[1].ID
	other := &snapshot.Provider{ID: id.New[id.Provider](), Egress: p.Egress}
	used := func(p *snapshot.Provider) (usesBad bool) {
		for range 4 {
			usesBad = usesBad || e.choose(p, id.ProviderKey{}, nil).ID == bad
		}
		return usesBad
	}
	for _, cool := range []time.Duration{minCool, 2 * minCool, 4 * minCool, 8 * minCool, 16 * minCool, maxCool, maxCool} {
		e.failed(bad, p.ID, false)
		e.failed(bad, p.ID, false) // a call at the same time: the same failure
		if used(p) || used(other) {
			t.Fatal("a proxy that failed is used")
		}
		at.advance(cool - 1)
		if used(p) {
			t.Fatalf("it is used before %s are over", cool)
		}
		at.advance(1)
		if !used(p) {
			t.Fatalf("it is not used after %s", cool)
		}
	}
	e.worked(bad, p.ID)
	e.failed(bad, p.ID, true)
	if used(p) || !used(other) {
		t.Error("what lies behind a proxy counts for one provider alone")
	}
	at.advance(minCool)
	if !used(p) {
		t.Error("it was not forgotten that it failed before it worked")
	}

	// Nothing works: the one that will be good soonest is tried once, unless the way without a proxy is allowed.
	e.failed(good, p.ID, false)
	at.advance(time.Second)
	e.failed(bad, p.ID, false)
	if got := e.choose(p, id.ProviderKey{}, nil); got == nil || got.ID != good {
		t.Errorf("%v", got)
	}
	if got := e.choose(p, id.ProviderKey{}, []*snapshot.EgressProxy{{ID: good}}); got != nil {
		t.Errorf("a second try: %v", got)
	}
	p.Egress.AllowDirect = true
	if got := e.choose(p, id.ProviderKey{}, nil); got != nil {
		t.Errorf("with a way without a proxy: %v", got)
	}
}

func TestFailingProxiesGoLast(t *testing.T) {
	t.Parallel()
	e, _, p := manyExits(3, "random")
	p.Egress.Proxies[0].Failing, p.Egress.Proxies[2].Failing = true, true
	for range 50 {
		if got := e.choose(p, id.ProviderKey{}, nil); got.ID != p.Egress.Proxies[1].ID {
			t.Fatal("a proxy is used that failed its check")
		}
	}
	p.Egress.Proxies[1].Failing = true
	if e.choose(p, id.ProviderKey{}, nil) == nil {
		t.Error("none is left, though a check may be wrong")
	}
	e, _, p = manyExits(0, "random")
	if e.choose(p, id.ProviderKey{}, nil) != nil {
		t.Error("a proxy of an empty pool")
	}
}

func TestCoolingIsBounded(t *testing.T) {
	t.Parallel()
	e, _, p := manyExits(1, "random")
	for range maxCooling + 10 {
		e.failed(id.New[id.EgressProxy](), p.ID, true)
	}
	if len(e.cooling) > maxCooling {
		t.Errorf("%d failures are remembered", len(e.cooling))
	}
}

// A call whose proxy fails goes through another, with its whole body, once.
func TestCallTakesAnotherProxy(t *testing.T) {
	t.Parallel()
	var bodies []string
	vendor := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		bodies = append(bodies, fmt.Sprintf("%d %.3s", len(raw), raw))
	}))
	t.Cleanup(vendor.Close)
	refusing, good := newHTTPProxy(t, nil), newSOCKS(t, nil)
	refusing.refuse.Store(http.StatusServiceUnavailable)
	c := client(t, Options{})
	p := at(t, vendor.URL)
	p.Egress = pool(t, good.url, "http://127.0.0.1:1", refusing.url) // in turn: from the second on
	large := bytes.Repeat([]byte("body"), 100_000)
	for i, call := range []Call{
		{Provider: p, Body: [][]byte{[]byte("bo"), []byte("dy")}, Sending: &Sending{}},
		{Provider: p, Body: [][]byte{large[:7], large[7:]}, Sending: &Sending{}},
		{Provider: p},
	} {
		response, err := c.Do(t.Context(), call)
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		response.Body.Close()
		if call.Sending != nil && !call.Sending.Sent() {
			t.Errorf("call %d: it does not count as sent", i)
		}
	}
	if got := fmt.Sprint(bodies); got != "[4 bod 400000 bod 0 ]" {
		t.Errorf("the vendor got %s", got)
	}
	if len(refusing.targets()) != 1 {
		t.Errorf("a proxy that refuses was asked %d times, want once", len(refusing.targets()))
	}

	// What can be sent only once is not tried again, and a pool that has no other way says so.
	p.Egress = pool(t, "http://127.0.0.1:1", "http://127.0.0.1:2")
	closed := &closing{Reader: bytes.NewReader([]byte("once"))}
	_, err := c.Do(t.Context(), Call{Provider: p, Reader: closed, Length: 4})
	if failure, ok := fault.As(err); !ok || failure.Code != CodeEgress || closed.n.Load() != 1 {
		t.Errorf("%v; closed %d times", err, closed.n.Load())
	}
	p.Egress.Proxies = nil
	if _, err = c.Do(t.Context(), Call{Provider: p}); codeOf(must(t, err)) != CodeEgress {
		t.Errorf("an empty pool: %v", err)
	}
	p.Egress.AllowDirect = true
	if response, err := c.Do(t.Context(), Call{Provider: p}); err != nil {
		t.Errorf("the way without a proxy: %v", err)
	} else {
		response.Body.Close()
	}
}

// A caller who leaves while a proxy is asked says nothing about the proxy.
func TestCancelledIsNoProxysFailure(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() }))
	t.Cleanup(proxy.Close)
	c := client(t, Options{ConnectTimeout: time.Minute})
	p := at(t, "http://127.0.0.1:9")
	p.Egress = pool(t, proxy.URL)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := c.Do(ctx, Call{Provider: p}); err == nil || ctx.Err() == nil {
		t.Errorf("%v", err)
	}
	c.exits.mu.Lock()
	defer c.exits.mu.Unlock()
	if len(c.exits.cooling) != 0 {
		t.Error("the proxy is cooling down")
	}
}

type closing struct {
	io.Reader
	n atomic.Int32
}

func (c *closing) Close() error { c.n.Add(1); return nil }

func must(t *testing.T, err error) *fault.Error {
	t.Helper()
	failure, ok := fault.As(err)
	if !ok {
		t.Fatalf("%v is no failure with a code", err)
	}
	return failure
}

func BenchmarkChoose(b *testing.B) {
	for _, choice := range []string{"random", "round_robin", "sticky"} {
		b.Run(choice, func(b *testing.B) {
			e, _, p := manyExits(50, choice)
			key := id.New[id.ProviderKey]()
			b.ReportAllocs()
			for b.Loop() {
				if e.choose(p, key, nil) == nil {
					b.Fatal("none")
				}
			}
		})
	}
}
