package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"aihigress/internal/egress"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

func TestReadList(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/list":
			_, _ = io.WriteString(w, "a.example:80\n")
		case "/full":
			_, _ = io.WriteString(w, strings.Repeat("x", egress.MaxList))
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", egress.MaxList+1))
		case "/moved":
			http.Redirect(w, r, "/list", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	c := client(t, Options{Resolver: resolver(hidden)})
	allowed := []string{"127.0.0.1"}
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	for _, tc := range []struct {
		url   string
		allow []string
		want  string // in the failure, or at the beginning of the list
		size  int
	}{
		{server.URL + "/list?token=secret", allowed, "a.example:80", 13},
		{server.URL + "/full", allowed, "xxx", egress.MaxList},
		{server.URL + "/large", allowed, "larger than 1024 KiB", 0},
		{server.URL + "/moved", allowed, "HTTP 302", 0},
		{server.URL + "/secret", allowed, "HTTP 404", 0},
		{server.URL + "/list", nil, "not public", 0},
		{"http://rebound.example.com:" + port + "/list", nil, "not public", 0},
		{"http://rebound.example.com:" + port + "/list", []string{"rebound.example.com"}, "a.example:80", 13},
		{"https://metadata.google.internal/secret", []string{"metadata.google.internal"}, "not public", 0},
		{"http://127.0.0.1:1/secret", allowed, "could not be reached", 0},
		{"http://%zz/secret", allowed, "does not parse", 0},
	} {
		raw, err := c.ReadList(t.Context(), secret.NewText(tc.url), tc.allow)
		if err == nil {
			if len(raw) != tc.size || !strings.HasPrefix(string(raw), tc.want) {
				t.Errorf("%s: %d bytes, %.20q", tc.url, len(raw), raw)
			}
			continue
		}
		failure := must(t, err)
		if tc.size > 0 || failure.Kind != fault.Upstream || !strings.Contains(failure.Message, tc.want) || strings.Contains(failure.Message, "secret") {
			t.Errorf("%s: %v", tc.url, err)
		}
	}
}

func TestTryProxy(t *testing.T) {
	t.Parallel()
	vendor, roots := secureServer(t, func(*httptest.Server) {}, func(http.ResponseWriter, *http.Request) { t.Error("a check sends no request") })
	good, broken := newHTTPProxy(t, nil), newSOCKS(t, nil)
	broken.refuse.Store(1)
	c := client(t, Options{RootCAs: roots, Resolver: resolver(hidden)})
	target := func(base string) egress.Target {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		return egress.Target{BaseURL: u, AllowHosts: []string{"127.0.0.1"}}
	}
	away, here, blocked := target("https://127.0.0.1:1"), target(vendor.URL), target("https://intranet.example.com")
	for _, tc := range []struct {
		name    string
		proxy   string
		targets []egress.Target
		want    string // in the failure
	}{
		{"alone", good.url, nil, ""},
		{"to a vendor", good.url, []egress.Target{here}, ""},
		{"one vendor is away", good.url, []egress.Target{away, blocked, here}, ""},
		{"all vendors are away", good.url, []egress.Target{away, target("https://nowhere.invalid")}, "leads to none"},
		{"a proxy that leads nowhere", broken.url, []egress.Target{here}, "leads to none"},
		{"no proxy", "http://u:secretpw@127.0.0.1:1", []egress.Target{here}, "could not be reached"},
		{"no proxy, alone", "socks5://u:secretpw@127.0.0.1:1", nil, "could not be reached"},
		{"a proxy that may not be", "http://intranet.example.com:1", []egress.Target{here}, "not public"},
	} {
		_, err := c.TryProxy(t.Context(), egress.Trial{Proxy: secret.NewText(tc.proxy), AllowHosts: []string{"127.0.0.1"}, Targets: tc.targets})
		if tc.want == "" && err != nil || tc.want != "" && !strings.Contains(must(t, err).Message, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secretpw") {
			t.Errorf("%s: the failure shows the password: %v", tc.name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.TryProxy(ctx, egress.Trial{Proxy: secret.NewText(good.url), Targets: []egress.Target{here}}); err == nil {
		t.Error("a check that was cancelled is none that went well")
	}
}

// config has one egress pool.
type config struct{ pool *snapshot.EgressPool }

func (c config) Current() *snapshot.Snapshot {
	return snapshot.New(snapshot.Contents{Egress: map[id.EgressPool]*snapshot.EgressPool{c.pool.ID: c.pool}})
}

// A probe takes the way that the provider's calls take, and none where that is not known.
func TestProbesGoThroughTheProvidersPool(t *testing.T) {
	t.Parallel()
	proxy := newHTTPProxy(t, nil)
	pool := pool(t, proxy.url)
	_, to := target(t, "openai", "", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":[{"id":"m"}]}`) })
	to.EgressPoolID = &pool.ID
	c := client(t, Options{Config: config{pool}})
	if ids, err := c.ListModels(t.Context(), to); err != nil || len(ids) != 1 {
		t.Errorf("%v, %v", ids, err)
	}
	if status, _, err := c.Probe(t.Context(), to, "m"); err != nil || status != 200 {
		t.Errorf("%d, %v", status, err)
	}
	if len(proxy.targets()) != 1 {
		t.Errorf("the proxy was asked %d times, want once for a connection", len(proxy.targets()))
	}
	unknown := id.New[id.EgressPool]()
	to.EgressPoolID = &unknown
	for _, c := range []*Client{c, client(t, Options{})} {
		if _, err := c.ListModels(t.Context(), to); codeOf(must(t, err)) != CodeEgress {
			t.Errorf("%v", err)
		}
		if _, _, err := c.Probe(t.Context(), to, "m"); codeOf(must(t, err)) != CodeEgress {
			t.Errorf("%v", err)
		}
	}
}
