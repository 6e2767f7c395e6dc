package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"aihigress/internal/egress"
	"aihigress/internal/fault"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

// Client reads lists of egress proxies and tries them.
var _ egress.Caller = (*Client)(nil)

// ReadList reads a list of proxies. Redirects are not followed.
func (c *Client) ReadList(ctx context.Context, list secret.Text, allowHosts []string) ([]byte, error) {
	got, err := c.read(ctx, document{name: "list", address: list, allowHosts: allowHosts, limit: egress.MaxList})
	return got.raw, err
}

// TryProxy goes through a proxy to the first of the targets that can be reached so.
func (c *Client) TryProxy(ctx context.Context, t egress.Trial) (time.Duration, error) {
	start := time.Now()
	proxy := &snapshot.EgressProxy{URL: t.Proxy}
	allow := strings.Join(t.AllowHosts, ",")
	var failure error
	for _, target := range t.Targets {
		to := way{open: target.AllowPrivate, allow: strings.Join(target.AllowHosts, ","), ca: target.CACertificate, proxyAllow: allow}
		reached, err := c.tryTarget(ctx, to, proxy, target.BaseURL)
		if err == nil {
			return time.Since(start), nil
		}
		if reached { // it may be the target's fault
			failure = err
			continue
		}
		return time.Since(start), proxyFailure(ctx, err)
	}
	if failure != nil {
		return time.Since(start), fault.Wrap(failure, fault.Upstream, "the proxy leads to none of its providers")
	}
	tunnel, err := c.ways.tunnel(way{proxyAllow: allow}, proxy)
	if err != nil {
		return 0, err
	}
	conn, err := tunnel.reach(ctx)
	if err != nil {
		return time.Since(start), proxyFailure(ctx, err)
	}
	conn.Close()
	return time.Since(start), nil
}

// tryTarget opens a connection to a target, and reports whether the proxy itself was reached. A target that cannot be judged
// or may not be connected to says nothing of the proxy.
func (c *Client) tryTarget(ctx context.Context, to way, proxy *snapshot.EgressProxy, base *url.URL) (reached bool, err error) {
	tunnel, err := c.ways.tunnel(to, proxy)
	if err != nil {
		return false, err
	}
	roots, err := rootsWith(c.ways.o.RootCAs, to.ca)
	if err != nil {
		return false, err
	}
	dial := tunnel.DialContext
	port := base.Port()
	if base.Scheme == "https" {
		dial = dialTLS(tunnel, roots, c.ways.o.ConnectTimeout)
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(base.Hostname(), port))
	if err != nil {
		failed, isProxy := errors.AsType[*proxyError](err)
		return !isProxy || failed.reached, err
	}
	conn.Close()
	return true, nil
}

// proxyFailure words a failure of a proxy that was not reached.
func proxyFailure(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errBlocked):
		return fault.Wrap(err, fault.Upstream, "the proxy's address is not public, and not allowed")
	case timedOut(ctx, err):
		return fault.Wrap(err, fault.Upstream, "the proxy did not answer in time")
	}
	return fault.Wrap(fmt.Errorf("reach the proxy: %w", err), fault.Upstream, "the proxy could not be reached")
}
