package upstream

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"aihigress/internal/snapshot"
)

func TestTLSIsAtLeast12(t *testing.T) {
	t.Parallel()
	for version, want := range map[uint16]string{
		tls.VersionTLS10: CodeTLS, tls.VersionTLS11: CodeTLS, tls.VersionTLS12: "", tls.VersionTLS13: "",
	} {
		server, roots := secureServer(t, func(s *httptest.Server) {
			s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		}, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, tls.VersionName(r.TLS.Version)) })
		proxy, handler := httpProxy(nil)
		// The way to a proxy has the same bound.
		secure, _ := secureServer(t, func(s *httptest.Server) {
			s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		}, handler.ServeHTTP)
		roots.AddCert(secure.Certificate())
		proxy.url = secure.URL
		c := client(t, Options{RootCAs: roots})
		for through, code := range map[*fakeProxy]string{nil: want, proxy: map[string]string{CodeTLS: CodeEgress, "": ""}[want]} {
			p := at(t, server.URL)
			if through != nil {
				p.Egress = pool(t, through.url)
			}
			response, err := c.Do(t.Context(), Call{Provider: p})
			if err == nil {
				raw, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if string(raw) != tls.VersionName(version) {
					t.Errorf("spoke %s, want %s", raw, tls.VersionName(version))
				}
				if code == "" {
					continue
				}
			}
			if got := codeOf(must(t, err)); got != code {
				t.Errorf("%s, by proxy %v: %q, want %q: %v", tls.VersionName(version), through != nil, got, code, err)
			}
		}
	}
}

// A certificate that is trusted for one provider is trusted for no other, and its connections serve none.
func TestCertificatesOfAProvider(t *testing.T) {
	t.Parallel()
	server, _ := secureServer(t, func(s *httptest.Server) { s.EnableHTTP2 = true }, func(http.ResponseWriter, *http.Request) {})
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	proxy := newHTTPProxy(t, nil)
	c := client(t, Options{})
	for _, egress := range []*snapshot.EgressPool{nil, pool(t, proxy.url)} {
		for _, ca := range []string{"", certificate, ""} {
			p := at(t, server.URL)
			p.CACertificate, p.Egress = ca, egress
			response, err := c.Do(t.Context(), Call{Provider: p})
			if err == nil {
				response.Body.Close()
			}
			if (err == nil) != (ca != "") || err != nil && codeOf(must(t, err)) != CodeTLS {
				t.Errorf("with certificate %v, by proxy %v: %v", ca != "", egress != nil, err)
			}
			clear(c.exits.cooling)
		}
	}
	_, err := c.ways.get(way{ca: "not PEM"}, nil)
	if err != nil {
		t.Errorf("what is no certificate adds none: %v", err)
	}
}

func TestWaysAreBoundedAndForgotten(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	c := client(t, Options{})
	var now clock
	now.advance(time.Hour)
	c.ways.now = now.now
	call := func(allow string) {
		t.Helper()
		p := at(t, server.URL)
		p.AllowPrivate, p.Allow = false, "127.0.0.1,"+allow
		response, err := c.Do(t.Context(), Call{Provider: p})
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	count := func() int {
		c.ways.mu.Lock()
		defer c.ways.mu.Unlock()
		return len(c.ways.kept)
	}
	for range 3 {
		call("same.example")
	}
	if count() != 1 || c.Connections()[0].New != 1 {
		t.Errorf("%d ways and %+v for calls of one way", count(), c.Connections())
	}
	for i := range maxWays + 5 {
		now.advance(time.Millisecond)
		if _, err := c.ways.get(way{allow: "10.0.0.0/8," + strconv.Itoa(i) + ".example"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if count() != maxWays {
		t.Errorf("%d ways are kept, want %d", count(), maxWays)
	}
	call("same.example") // its own is gone: the one used longest ago
	if n := c.Connections()[0].New; n != 2 {
		t.Errorf("%d new connections, want a second one", n)
	}
	now.advance(wayIdle + time.Second)
	call("another.example")
	if count() != 1 {
		t.Errorf("%d ways are kept, want that in use alone", count())
	}
}

func TestCountedProvidersAreBounded(t *testing.T) {
	t.Parallel()
	c := client(t, Options{})
	for i := range maxCounted + 50 {
		c.connections.of(strconv.Itoa(i))
	}
	if got := c.Connections(); len(got) != maxCounted+1 || got[0].Provider != others {
		t.Errorf("%d are counted, the first %q", len(got), got[0].Provider)
	}
}
