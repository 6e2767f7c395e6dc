package upstream

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/snapshot"
)

// A trick is a host that leads to where nothing may go. blocked: it must be refused as such; else it may also be no host at
// all, which only some resolvers take for an address.
var tricks = []struct {
	host    string
	blocked bool
}{
	{"127.0.0.1", true}, {"localhost", true}, {"LOCALHOST.", false}, {"[::1]", true}, {"0.0.0.0", true}, {"[::]", true},
	{"2130706433", false}, {"0x7f000001", false}, {"0177.0.0.1", false}, {"127.1", false}, {"0x7f.1", false}, {"017700000001", false}, // decimal, hex, octal, short
	{"127.0.0.1.", false}, {"169.254.169.254.", false}, // trailing dots
	{"[::ffff:127.0.0.1]", true}, {"[::ffff:7f00:1]", true}, {"[::ffff:a9fe:a9fe]", true}, {"[::127.0.0.1]", true}, // mapped and compatible
	{"[64:ff9b::7f00:1]", true}, {"[64:ff9b::169.254.169.254]", true}, {"[64:ff9b:1::7f00:1]", true}, {"[2002:7f00:1::]", true}, // NAT64 and 6to4
	{"[fe80::1%25lo]", true}, {"[fe80::1]", true}, {"[::1%25lo]", true}, // zones
	{"169.254.169.254", true}, {"169.254.170.2", true}, {"[fd00:ec2::254]", true}, {"100.100.100.200", true}, {"192.0.0.192", true}, // metadata
	{"10.0.0.1", true}, {"172.16.0.1", true}, {"192.168.1.1", true}, {"224.0.0.1", true}, {"255.255.255.255", true},
	{"127。0。0。1", true}, {"127．0．0．1", true}, {"１２７.0.0.1", true}, {"①②⑦.0.0.1", true}, {"ⓛocalhost", true}, {"169｡254｡169｡254", true}, // what IDNA makes of dots, digits and letters
	{"rebound.example.com", true}, {"Rebound.Example.COM.", true}, {"intranet.example.com", true}, {"metadata.google.internal", true},
	{"public.example.com@127.0.0.1", true}, {"user:password@rebound.example.com", true}, // the host is behind the @
	{"half.example.com", true}, // every address of a name is judged
}

// hidden are the names in tricks, and what they resolve to.
var hidden = map[string][][4]byte{
	"rebound.example.com.":      {{127, 0, 0, 1}},
	"metadata.google.internal.": {{169, 254, 169, 254}},
	"intranet.example.com.":     {{10, 1, 2, 3}},
	"half.example.com.":         {{10, 1, 2, 3}, {127, 0, 0, 1}},
}

// Every spelling of a private address, and every name that leads to one, is refused before a byte is sent: straight, and
// through an egress proxy, which an admin may well have allowed to be on this machine.
func TestSSRF(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	through := map[string]*fakeProxy{"straight": nil, "http": newHTTPProxy(t, nil), "socks5": newSOCKS(t, nil)}
	c := client(t, Options{Resolver: resolver(hidden)})
	for name, proxy := range through {
		for _, scheme := range []string{"http", "https"} {
			for _, trick := range tricks {
				base, err := url.Parse(scheme + "://" + trick.host + ":" + port)
				if err != nil {
					t.Fatal(err)
				}
				p := &snapshot.Provider{BaseURL: base}
				if proxy != nil {
					p.Egress = pool(t, proxy.url)
				}
				_, err = c.Do(t.Context(), Call{Provider: p})
				failure, ok := fault.As(err)
				if !ok || failure.Kind != fault.Upstream || !Unsent(err) {
					t.Errorf("%s, %s: %v", name, base, err)
					continue
				}
				if trick.blocked && failure.Code != CodeBlocked {
					t.Errorf("%s, %s: %s, want %s: %v", name, base, failure.Code, CodeBlocked, err)
				}
				if strings.Contains(failure.Message, base.Hostname()) {
					t.Errorf("%s, %s: the message names the host: %s", name, base, failure.Message)
				}
			}
		}
		if proxy != nil && len(proxy.targets()) > 0 {
			t.Errorf("%s was asked for %q", name, proxy.targets())
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections got through", n)
	}
}

// A name that is public when it is looked at, and private when it is connected to.
func TestDNSRebinding(t *testing.T) {
	t.Parallel()
	var lookups atomic.Int32
	rebinding := resolverOf(func(string) [][4]byte {
		if lookups.Add(1)%2 == 1 {
			return [][4]byte{{1, 1, 1, 1}}
		}
		return [][4]byte{{127, 0, 0, 1}}
	})
	c := client(t, Options{Resolver: rebinding})
	proxy := newHTTPProxy(t, nil)
	for _, egress := range []*snapshot.EgressPool{nil, pool(t, proxy.url)} {
		lookups.Store(0)
		if found, err := rebinding.LookupNetIP(t.Context(), "ip4", "a.example."); err != nil || found[0].String() != "1.1.1.1" {
			t.Fatalf("%v, %v", found, err)
		}
		p := &snapshot.Provider{BaseURL: &url.URL{Scheme: "http", Host: "a.example.:80"}, Egress: egress}
		_, err := c.Do(t.Context(), Call{Provider: p})
		if failure, ok := fault.As(err); !ok || failure.Code != CodeBlocked {
			t.Errorf("%v", err)
		}
	}
	// The other way about: what was judged is what the proxy is told, and not a name that it would look up again.
	lookups.Store(0)
	proxy.refuse.Store(http.StatusBadGateway)
	p := &snapshot.Provider{BaseURL: &url.URL{Scheme: "http", Host: "a.example.:80"}, Egress: pool(t, proxy.url)}
	if _, err := c.Do(t.Context(), Call{Provider: p}); err == nil {
		t.Error("it went through")
	}
	if got := proxy.targets(); len(got) != 1 || got[0] != "1.1.1.1:80" {
		t.Errorf("the proxy was asked for %q", got)
	}
}

// What an admin allows one provider is allowed to no other, whatever connections are open.
func TestAllowedIsAllowedToOneProvider(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, Options{Resolver: resolver(hidden)})
	rebound := &url.URL{Scheme: "http", Host: "rebound.example.com:" + port}
	for i, step := range []struct {
		provider snapshot.Provider
		host     string
		want     string
	}{
		{snapshot.Provider{AllowPrivate: true}, "", ""},
		{snapshot.Provider{}, "", CodeBlocked},
		{snapshot.Provider{Allow: "rebound.example.com"}, "", ""},
		{snapshot.Provider{Allow: "other.example.com"}, "", CodeBlocked},
		{snapshot.Provider{Allow: "127.0.0.0/8"}, "", ""},
		{snapshot.Provider{Allow: "10.0.0.0/8,other.example.com"}, "", CodeBlocked},
		{snapshot.Provider{}, "", CodeBlocked},
		{snapshot.Provider{Allow: "rebound.example.com"}, "127.0.0.1:" + port, CodeBlocked},             // the name alone is allowed
		{snapshot.Provider{Allow: "metadata.google.internal"}, "metadata.google.internal", CodeBlocked}, // and no metadata by name
	} {
		step.provider.BaseURL = rebound
		if step.host != "" {
			step.provider.BaseURL = &url.URL{Scheme: "http", Host: step.host}
		}
		response, err := c.Do(t.Context(), Call{Provider: &step.provider})
		if err == nil {
			_ = response.Body.Close()
		}
		failure, _ := fault.As(err)
		if got := codeOf(failure); got != step.want {
			t.Errorf("step %d: %q, want %q: %v", i, got, step.want, err)
		}
	}
	if reached.Load() != 3 {
		t.Errorf("%d calls arrived, want 3", reached.Load())
	}
}

func codeOf(failure *fault.Error) string {
	if failure == nil {
		return ""
	}
	return failure.Code
}

// A redirect is the vendor's answer, wherever it leads.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(inner.Close)
	c, p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusPermanentRedirect)
	})
	for _, to := range []string{inner.URL, "http://169.254.169.254/latest/meta-data", "//127.0.0.1/", "/elsewhere"} {
		response, err := c.Do(t.Context(), Call{Provider: p, Method: http.MethodGet, Query: url.Values{"to": {to}}})
		if err != nil || response.StatusCode != http.StatusPermanentRedirect {
			t.Fatalf("%s: %v, %v", to, response, err)
		}
		response.Body.Close()
	}
	if reached.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestLoopbackAloneIsAllowedWhereDevelopersAre(t *testing.T) {
	t.Parallel()
	g := guard{loopback: true}
	for address, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "1.1.1.1": true,
		"10.0.0.1": false, "169.254.169.254": false, "0.0.0.0": false,
	} {
		if got := g.judge("x", netip.MustParseAddr(address)) == nil; got != want {
			t.Errorf("%s: allowed %v", address, got)
		}
	}
}

// resolver answers A queries from a table and knows nothing else.
func resolver(table map[string][][4]byte) *net.Resolver {
	return resolverOf(func(name string) [][4]byte { return table[strings.ToLower(name)] })
}

// resolverOf asks look for the addresses of a name.
func resolverOf(look func(name string) [][4]byte) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe() // not a PacketConn: messages are framed as over TCP
		go func() {
			defer server.Close()
			for {
				var length [2]byte
				if _, err := io.ReadFull(server, length[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(server, query); err != nil {
					return
				}
				answer := answer(query, look)
				framed := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
				if _, err := server.Write(append(framed, answer...)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}}
}

// answer writes the DNS message (RFC 1035, section 4) for the one question of a query.
func answer(query []byte, look func(string) [][4]byte) []byte {
	var name strings.Builder
	end := 12
	for query[end] != 0 {
		name.Write(query[end+1 : end+1+int(query[end])])
		name.WriteByte('.')
		end += 1 + int(query[end])
	}
	end++
	kind := binary.BigEndian.Uint16(query[end:])
	end += 4
	var found [][4]byte
	if kind == 1 {
		found = look(name.String())
	}
	message := append([]byte(nil), query[:2]...)
	if len(found) == 0 {
		message = append(message, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0) // no such name
	} else {
		message = append(message, 0x81, 0x80, 0, 1, 0, byte(len(found)), 0, 0, 0, 0)
	}
	message = append(message, query[12:end]...)
	for _, addr := range found {
		message = append(message, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		message = append(message, addr[:]...)
	}
	return message
}
