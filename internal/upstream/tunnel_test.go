package upstream

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

// A fakeProxy is an egress proxy on this machine that notes what it is asked for.
type fakeProxy struct {
	url    string
	refuse atomic.Int32 // a status that it answers CONNECT with, or a reply of SOCKS5; 0 lets pass

	mu    sync.Mutex
	asked []string
}

func (f *fakeProxy) note(target string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, target)
}

func (f *fakeProxy) targets() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// newHTTPProxy takes CONNECT; with a user, that user's alone.
func newHTTPProxy(t *testing.T, user *url.Userinfo) *fakeProxy {
	t.Helper()
	f, handler := httpProxy(user)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	f.url = withUser(server.URL, user)
	return f
}

func httpProxy(user *url.Userinfo) (*fakeProxy, http.Handler) {
	f := &fakeProxy{}
	return f, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT alone", http.StatusMethodNotAllowed)
			return
		}
		if user != nil && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(plainUser(user))) {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		f.note(r.Host)
		if status := f.refuse.Load(); status != 0 {
			w.WriteHeader(int(status))
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
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		join(conn, buffered, behind)
	})
}

func plainUser(user *url.Userinfo) string {
	password, _ := user.Password()
	return user.Username() + ":" + password
}

func withUser(base string, user *url.Userinfo) string {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	u.User = user
	return u.String()
}

// join passes bytes on until one side ends.
func join(a net.Conn, fromA io.Reader, b net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(b, fromA); b.Close(); a.Close() })
	both.Go(func() { _, _ = io.Copy(a, b); b.Close(); a.Close() })
	both.Wait()
}

// newSOCKS takes SOCKS5 (RFC 1928); with a user, that user's alone (RFC 1929).
func newSOCKS(t *testing.T, user *url.Userinfo) *fakeProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeProxy{url: withUser("socks5://"+l.Addr().String(), user)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				f.socks(conn, user)
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return f
}

func (f *fakeProxy) socks(conn net.Conn, user *url.Userinfo) {
	r := bufio.NewReader(conn)
	read := func(n int) []byte {
		raw := make([]byte, n)
		_, _ = io.ReadFull(r, raw)
		return raw
	}
	read(int(read(2)[1])) // the methods
	if user == nil {
		_, _ = conn.Write([]byte{5, 0})
	} else {
		_, _ = conn.Write([]byte{5, 2})
		name := read(int(read(2)[1]))
		password := read(int(read(1)[0]))
		if string(name)+":"+string(password) != plainUser(user) {
			_, _ = conn.Write([]byte{1, 1})
			return
		}
		_, _ = conn.Write([]byte{1, 0})
	}
	var host string
	switch head := read(4); head[3] {
	case 1:
		host = netip.AddrFrom4([4]byte(read(4))).String()
	case 3:
		host = "the name " + string(read(int(read(1)[0])))
	case 4:
		host = netip.AddrFrom16([16]byte(read(16))).String()
	}
	target := net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(read(2)))))
	f.note(target)
	if reply := f.refuse.Load(); reply != 0 {
		_, _ = conn.Write([]byte{5, byte(reply), 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	behind, err := net.Dial("tcp", target)
	if err != nil {
		_, _ = conn.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	join(conn, r, behind)
}

// pool is a pool of proxies on this machine, where an admin allows them to be.
func pool(t *testing.T, urls ...string) *snapshot.EgressPool {
	t.Helper()
	p := &snapshot.EgressPool{ID: id.New[id.EgressPool](), Choice: "round_robin", Allow: "127.0.0.1"}
	for _, u := range urls {
		p.Proxies = append(p.Proxies, snapshot.EgressProxy{ID: id.New[id.EgressProxy](), URL: secret.NewText(u)})
	}
	return p
}

// secureServer is a vendor that speaks TLS, and the pool of its certificate.
func secureServer(t *testing.T, change func(*httptest.Server), handler http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	change(server)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, roots
}

// A call goes through each kind of proxy, with HTTP/2 where the vendor has it, and the next one takes the same connection.
func TestCallsGoThroughProxies(t *testing.T) {
	t.Parallel()
	answer := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }
	vendor, roots := secureServer(t, func(s *httptest.Server) { s.EnableHTTP2 = true }, answer)
	plain := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(plain.Close)
	user := url.UserPassword("us er", "p@ss:wörd")
	secure, handler := httpProxy(user)
	server, _ := secureServer(t, func(*httptest.Server) {}, handler.ServeHTTP)
	secure.url = withUser(server.URL, user)
	roots.AddCert(server.Certificate())
	for name, proxy := range map[string]*fakeProxy{
		"http": newHTTPProxy(t, nil), "http with a password": newHTTPProxy(t, user), "https with a password": secure,
		"socks5": newSOCKS(t, nil), "socks5 with a password": newSOCKS(t, user),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, Options{RootCAs: roots})
			for base, proto := range map[string]string{vendor.URL: "HTTP/2.0", plain.URL: "HTTP/1.1"} {
				p := at(t, base)
				p.Slug, p.Egress = proto, pool(t, proxy.url)
				for range 3 {
					response, err := c.Do(t.Context(), Call{Provider: p, Body: [][]byte{[]byte("x")}})
					if err != nil {
						t.Fatal(err)
					}
					raw, _ := io.ReadAll(response.Body)
					response.Body.Close()
					if string(raw) != proto {
						t.Errorf("%s, want %s", raw, proto)
					}
				}
			}
			want := []string{vendor.Listener.Addr().String(), plain.Listener.Addr().String()}
			if got := proxy.targets(); len(got) != 2 || !slices.Contains(got, want[0]) || !slices.Contains(got, want[1]) {
				t.Errorf("the proxy was asked for %q, want %q", got, want)
			}
			for _, n := range c.Connections() {
				if n.New != 1 || n.Reused != 2 {
					t.Errorf("%+v, want one new connection that is used twice more", n)
				}
			}
		})
	}
}

// Nothing of a proxy that fails, or misbehaves, reaches the vendor or the error's message.
func TestProxiesThatFail(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	vendor := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(vendor.Close)
	user := url.UserPassword("u", "right")
	talk := func(text string) string { // a proxy that says this to whatever it is asked
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var running sync.WaitGroup
		running.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 1024))
				_, _ = io.WriteString(conn, text)
				conn.Close()
			}
		})
		t.Cleanup(func() { l.Close(); running.Wait() })
		return l.Addr().String()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	refusing, socksRefusing := newHTTPProxy(t, nil), newSOCKS(t, nil)
	refusing.refuse.Store(http.StatusForbidden)
	socksRefusing.refuse.Store(5)
	for name, proxy := range map[string]string{
		"nobody there":         "http://" + closed.Addr().String(),
		"socks, nobody there":  "socks5://u:secretpw@" + closed.Addr().String(),
		"wrong password":       strings.Replace(newHTTPProxy(t, user).url, "right", "secretpw", 1),
		"socks wrong password": strings.Replace(newSOCKS(t, user).url, "right", "secretpw", 1),
		"refuses":              refusing.url,
		"socks refuses":        socksRefusing.url,
		"no TLS":               strings.Replace(newHTTPProxy(t, nil).url, "http:", "https:", 1),
		"no HTTP":              "http://" + talk("SSH-2.0-x\r\n"),
		"no SOCKS":             "socks5://" + talk("HTTP/1.1 200 OK\r\n\r\n"),
		"says too much":        "http://" + talk("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello"),
		"never ends":           "http://" + talk("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)),
		"redirects":            "http://" + talk("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, Options{})
			p := at(t, vendor.URL)
			p.Egress = pool(t, proxy)
			_, err := c.Do(t.Context(), Call{Provider: p, Body: [][]byte{[]byte("x")}})
			failure, ok := fault.As(err)
			if !ok || failure.Code != CodeEgress || !Unsent(err) {
				t.Fatalf("%v", err)
			}
			if text := failure.Message + err.Error(); strings.Contains(text, "secretpw") {
				t.Errorf("the failure shows the password: %s", text)
			}
		})
	}
	t.Cleanup(func() {
		if reached.Load() != 0 {
			t.Error("something reached the vendor")
		}
	})
}

// A proxy at a private address is refused as any other, unless it is allowed to its pool.
func TestProxiesAreGuardedToo(t *testing.T) {
	t.Parallel()
	vendor := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(vendor.Close)
	proxy := newHTTPProxy(t, nil)
	u, err := url.Parse(proxy.url)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, Options{Resolver: resolver(hidden)})
	for _, host := range []string{"127.0.0.1", "rebound.example.com", "[::ffff:127.0.0.1]", "metadata.google.internal"} {
		p := at(t, vendor.URL) // may be anywhere itself
		p.Egress = pool(t, "http://"+host+":"+u.Port())
		p.Egress.Allow = ""
		_, err := c.Do(t.Context(), Call{Provider: p})
		if failure, ok := fault.As(err); !ok || failure.Code != CodeEgress || !errors.Is(err, errBlocked) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(proxy.targets()) > 0 {
		t.Error("a proxy was reached that is not allowed")
	}
}

// A vendor's certificate is checked behind a proxy as before one.
func TestProxiesCannotForgeVendors(t *testing.T) {
	t.Parallel()
	vendor, _ := secureServer(t, func(*httptest.Server) {}, func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") })
	c := client(t, Options{RootCAs: x509.NewCertPool()})
	p := at(t, vendor.URL)
	p.Egress = pool(t, newHTTPProxy(t, nil).url)
	_, err := c.Do(t.Context(), Call{Provider: p})
	if failure, ok := fault.As(err); !ok || failure.Code != CodeTLS {
		t.Errorf("%v", err)
	}
	var unknown *tls.CertificateVerificationError
	if !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}
