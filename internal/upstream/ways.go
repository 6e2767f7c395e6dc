package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/reach"
	"aihigress/internal/snapshot"
)

const (
	// maxWays is how many pools of connections a client keeps beside those that most providers share: the one used longest ago
	// goes first.
	maxWays = 512
	// wayIdle is when one goes that nobody uses. Its connections have ended before.
	wayIdle = 5 * time.Minute
)

// A way is what decides which connections may serve a call: calls of one way share a pool of them, and no others. The zero
// way leads straight to public addresses.
type way struct {
	open  bool   // to any address
	allow string // hosts and ranges besides public ones, joined by commas
	ca    string // PEM certificates that are trusted besides the system's

	proxy      id.EgressProxy // through which; zero is none
	proxyAllow string         // where that may be, as allow
}

// wayTo is the way to a provider, through a proxy of its pool unless that is nil.
func wayTo(p *snapshot.Provider, proxy *snapshot.EgressProxy) way {
	w := way{open: p.AllowPrivate, ca: p.CACertificate}
	if !w.open {
		w.allow = p.Allow
	}
	if proxy != nil {
		w.proxy, w.proxyAllow = proxy.ID, p.Egress.Allow
	}
	return w
}

// ways keeps the pools of connections.
type ways struct {
	o             Options
	guarded, open *http.Transport // of the two ways that most providers share

	now func() time.Time

	mu   sync.Mutex
	kept map[way]*kept
	swep time.Time // when those that nobody uses last went
}

type kept struct {
	transport *http.Transport
	used      time.Time
}

func newWays(o Options) *ways {
	w := &ways{o: o, now: time.Now, kept: map[way]*kept{}}
	w.guarded = transport(w.dialer(way{}), o.RootCAs, o)
	w.open = transport(w.dialer(way{open: true}), o.RootCAs, o)
	return w
}

// get is the pool of a way. proxy is the one that the way names.
func (w *ways) get(to way, proxy *snapshot.EgressProxy) (*http.Transport, error) {
	switch to {
	case way{}:
		return w.guarded, nil
	case way{open: true}:
		return w.open, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	found := w.kept[to]
	if found == nil {
		made, err := w.make(to, proxy)
		if err != nil {
			return nil, err
		}
		found = &kept{transport: made}
		w.makeRoom()
		w.kept[to] = found
	}
	found.used = now
	if now.Sub(w.swep) > wayIdle/5 {
		w.swep = now
		w.sweep(now)
	}
	return found.transport, nil
}

// make makes the pool of a way.
func (w *ways) make(to way, through *snapshot.EgressProxy) (*http.Transport, error) {
	roots, err := rootsWith(w.o.RootCAs, to.ca)
	if err != nil {
		return nil, err
	}
	if through == nil {
		return transport(w.dialer(to), roots, w.o), nil
	}
	t, err := w.tunnel(to, through)
	if err != nil {
		return nil, err
	}
	return transport(t, roots, w.o), nil
}

// tunnel leads to where a way leads through a proxy.
func (w *ways) tunnel(to way, through *snapshot.EgressProxy) (*tunnel, error) {
	address, err := parseProxy(through.URL.Reveal())
	if err != nil {
		return nil, err
	}
	return &tunnel{
		proxy: address, way: w.dialer(way{allow: to.proxyAllow}), target: w.dialer(to), timeout: w.o.ConnectTimeout,
		roots: &tls.Config{RootCAs: w.o.RootCAs, MinVersion: tls.VersionTLS12},
	}, nil
}

// dialer connects to where a way may lead.
func (w *ways) dialer(to way) dialer {
	d := dialer{guard: guard{open: to.open, loopback: w.o.AllowLoopback, allowed: reach.Of(split(to.allow))}}
	d.Timeout, d.KeepAlive, d.Resolver = w.o.ConnectTimeout, 30*time.Second, w.o.Resolver
	return d
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// rootsWith is a pool of certificates with more of them in it. Where there are none, it is the pool itself.
func rootsWith(roots *x509.CertPool, more string) (*x509.CertPool, error) {
	if more == "" {
		return roots, nil
	}
	if roots == nil {
		system, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("read the system's certificates: %w", err)
		}
		roots = system
	}
	roots = roots.Clone()
	roots.AppendCertsFromPEM([]byte(more)) // as package provider has checked it
	return roots, nil
}

// makeRoom drops the pool that was used longest ago, where there are too many. Calls that use it go on.
func (w *ways) makeRoom() {
	if len(w.kept) < maxWays {
		return
	}
	var oldest way
	var used time.Time
	for to, k := range w.kept {
		if used.IsZero() || k.used.Before(used) {
			oldest, used = to, k.used
		}
	}
	w.drop(oldest)
}

// sweep drops the pools that nobody has used for a while.
func (w *ways) sweep(now time.Time) {
	for to, k := range w.kept {
		if now.Sub(k.used) > wayIdle {
			w.drop(to)
		}
	}
}

func (w *ways) drop(to way) {
	w.kept[to].transport.CloseIdleConnections() // and, from now on, those that become idle
	delete(w.kept, to)
}

// close closes the connections that are not in use.
func (w *ways) close() {
	w.guarded.CloseIdleConnections()
	w.open.CloseIdleConnections()
	w.mu.Lock()
	defer w.mu.Unlock()
	for to := range w.kept {
		w.drop(to)
	}
}
