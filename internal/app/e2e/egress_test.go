package e2e

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// connectProxy is an HTTP proxy for one user, which counts the tunnels it made.
func connectProxy(t testing.TB, user, password string) (address string, tunnels *atomic.Int32) {
	t.Helper()
	tunnels = &atomic.Int32{}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != want {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		behind, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		tunnels.Add(1)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(behind, buffered); behind.Close(); conn.Close() })
		both.Go(func() { _, _ = io.Copy(conn, behind); behind.Close(); conn.Close() })
		both.Wait()
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), tunnels
}

// TestEgress is the life of a pool in production, where nothing private is reached without an admin's leave: of the provider,
// and apart from that of the proxy.
func TestEgress(t *testing.T) {
	t.Parallel()
	s := newStores(t)
	n := startNode(t, s, t.TempDir())
	g := firstAdmin(t, s, n)
	c := newTenant(t, g, startVendor(t), terms{})
	proxy, tunnels := connectProxy(t, "user", "a-proxy-password-77")
	var found struct {
		Providers struct{ Nodes []struct{ ID string } }
	}
	g.do(t, `query($slug: String!) { providers(filter: {query: $slug}) { nodes { id } } }`, vars{"slug": c.slug}, &found)
	vendor := found.Providers.Nodes[0].ID

	provider := func(change vars) {
		t.Helper()
		change["id"] = vendor
		g.do(t, `mutation($in: UpdateProviderInput!) { updateProvider(input: $in) { userErrors { code message } } }`, vars{"in": change}, nil)
	}
	calls := func(want bool, what string) {
		t.Helper()
		client := c.sdk()
		eventually(t, patience(testLag), what, func() bool {
			_, err := client.Chat.Completions.New(t.Context(), hello(c.model))
			return (err == nil) == want
		})
	}
	calls(true, "a provider that may be anywhere is called")
	provider(vars{"allowPrivate": false})
	calls(false, "one that may not be on this machine is not")
	provider(vars{"allowHosts": []string{"127.0.0.0/8"}})
	calls(true, "one that may be in a range is called there")
	if tunnels.Load() != 0 {
		t.Error("a call took a proxy that nobody named")
	}

	var made struct {
		CreateEgressPool struct{ EgressPool struct{ ID string } }
	}
	g.do(t, `mutation($in: CreateEgressPoolInput!) { createEgressPool(input: $in) { egressPool { id } userErrors { code message } } }`, vars{"in": vars{
		"name": "out", "proxies": []string{"http://user:a-proxy-password-77@" + proxy},
	}}, &made)
	pool := made.CreateEgressPool.EgressPool.ID
	change := func(in vars) {
		t.Helper()
		in["id"] = pool
		g.do(t, `mutation($in: UpdateEgressPoolInput!) { updateEgressPool(input: $in) { userErrors { code message } } }`, vars{"in": in}, nil)
	}
	provider(vars{"egressPoolId": pool})
	calls(false, "a proxy that may not be on this machine is not used, and nothing goes out without it")
	g.proxyIs(t, pool, "UNHEALTHY", "not public")
	change(vars{"allowDirect": true})
	calls(true, "the way without a proxy is taken where it is allowed")
	if tunnels.Load() != 0 {
		t.Error("a proxy was used that is not allowed")
	}
	change(vars{"allowDirect": false, "allowHosts": []string{"127.0.0.1"}})
	eventually(t, patience(testLag), "an allowed proxy is used", func() bool { return c.chat(t) != nil && tunnels.Load() > 0 })
	g.proxyIs(t, pool, "HEALTHY", "")

	before := tunnels.Load()
	for range 5 {
		c.chat(t)
	}
	if after := tunnels.Load(); after > before+1 { // a check may come in between
		t.Errorf("%d tunnels for 5 calls in a row", after-before)
	}
	metrics := metricsOf(t, g, n)
	if !strings.Contains(metrics, `aihigress_upstream_connections_total{provider="`+c.slug+`",state="reused"}`) {
		t.Errorf("connections are not counted: %.2000s", metrics)
	}
	for _, line := range []string{n.stdout.String(), n.stderr.String(), metrics} {
		if strings.Contains(line, "a-proxy-password") {
			t.Errorf("the proxy's password is shown: %s", line)
		}
	}
}

// proxyIs waits for what the check of a pool's only proxy says.
func (g *graph) proxyIs(t testing.TB, pool, state, why string) {
	t.Helper()
	eventually(t, patience(10*time.Second), "the proxy is "+state, func() bool {
		var got struct {
			Node struct {
				Proxies []struct{ State, Error string }
			}
		}
		g.do(t, `query($id: ID!) { node(id: $id) { ... on EgressPool { proxies { state error } } } }`, vars{"id": pool}, &got)
		return len(got.Node.Proxies) == 1 && got.Node.Proxies[0].State == state && strings.Contains(got.Node.Proxies[0].Error, why)
	})
}

// metricsOf is what /metrics says to an operator.
func metricsOf(t testing.TB, g *graph, n *node) (text string) {
	t.Helper()
	var made struct{ CreateAPIKey struct{ Secret string } }
	g.do(t, `mutation($key: CreateApiKeyInput!) { createApiKey(input: $key) { secret userErrors { code message } } }`,
		vars{"key": vars{"name": "prometheus", "scopes": []string{"PLATFORM"}}}, &made)
	operator := &tenant{url: n.url, key: made.CreateAPIKey.Secret}
	eventually(t, patience(testLag), "a platform key may read /metrics", func() bool {
		status, body := operator.answer(t, "/metrics")
		text = body
		return status == http.StatusOK
	})
	return text
}
