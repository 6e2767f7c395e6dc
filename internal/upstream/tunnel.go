package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// A tunnel makes connections through an egress proxy. The proxy is told an address that was judged here, and never a name:
// what a name means to the proxy is out of the guard's sight. So plain HTTP goes through CONNECT too.
type tunnel struct {
	proxy   *url.URL      // http, https or socks5, with a port
	way     dialer        // to the proxy
	target  dialer        // its guard judges what lies behind; it dials nothing
	roots   *tls.Config   // of an https proxy
	timeout time.Duration // for the way to the proxy, and again for the way behind it
}

// A proxyError is a failure of an egress proxy.
type proxyError struct {
	err     error
	reached bool // the proxy itself was; what failed is the way behind it
}

func (e *proxyError) Error() string { return "egress proxy: " + e.err.Error() }
func (e *proxyError) Unwrap() error { return e.err }

// DialContext connects to host:port through the proxy.
func (t *tunnel) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*t.timeout)
	defer cancel()
	addr, err := t.target.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	to := net.JoinHostPort(addr.WithZone("").String(), port)
	var conn net.Conn
	if t.proxy.Scheme == "socks5" {
		conn, err = t.socks(ctx, to)
	} else {
		conn, err = t.connect(ctx, to)
	}
	if err == nil {
		return conn, nil
	}
	if failure, ok := errors.AsType[*proxyError](err); ok {
		return nil, failure
	}
	return nil, &proxyError{err: err, reached: true}
}

// reach connects to the proxy itself.
func (t *tunnel) reach(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	conn, err := t.way.DialContext(ctx, "tcp", t.proxy.Host)
	if err != nil {
		return nil, &proxyError{err: err}
	}
	if t.proxy.Scheme != "https" {
		return conn, nil
	}
	config := t.roots.Clone()
	config.ServerName = t.proxy.Hostname()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &proxyError{err: err}
	}
	return secure, nil
}

// socks asks a SOCKS5 proxy.
func (t *tunnel) socks(ctx context.Context, to string) (net.Conn, error) {
	var auth *proxy.Auth
	if user := t.proxy.User; user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	socks, err := proxy.SOCKS5("tcp", t.proxy.Host, auth, reacher{t})
	if err != nil {
		return nil, err
	}
	return socks.(proxy.ContextDialer).DialContext(ctx, "tcp", to)
}

// reacher gives package proxy the connection to the proxy.
type reacher struct{ *tunnel }

func (r reacher) Dial(_, _ string) (net.Conn, error) { return r.reach(context.Background()) }

func (r reacher) DialContext(ctx context.Context, _, _ string) (net.Conn, error) { return r.reach(ctx) }

// maxConnect bounds the answer of a proxy to CONNECT in bytes.
const maxConnect = 64 << 10

// connect asks an HTTP proxy (RFC 9110, section 9.3.6).
func (t *tunnel) connect(ctx context.Context, to string) (net.Conn, error) {
	conn, err := t.reach(ctx)
	if err != nil {
		return nil, err
	}
	end := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends what is read and written below
	err = t.ask(conn, to)
	if !end() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (t *tunnel) ask(conn net.Conn, to string) error {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to}, Host: to, Header: http.Header{}}
	request.Header.Set("User-Agent", "")
	if user := t.proxy.User; user != nil {
		password, _ := user.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		request.Header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	answer := &limited{Conn: conn, left: maxConnect}
	reader := bufio.NewReader(answer)
	response, err := http.ReadResponse(reader, request) //nolint:bodyclose // a tunnel has none, and without one the connection is closed
	if err != nil {
		return fmt.Errorf("answer to CONNECT: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered CONNECT with status %d", response.StatusCode)
	}
	if reader.Buffered() > 0 { // nobody behind it has been spoken to yet
		return errors.New("sent more than the answer to CONNECT")
	}
	return nil
}

// limited gives up on a proxy that does not end its answer.
type limited struct {
	net.Conn
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("too long")
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// parseProxy reads a proxy's address with its credentials, as package egress has checked it.
func parseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Port() == "" {
		return nil, errors.New("a proxy's address does not parse") // url's own text holds the password
	}
	return u, nil
}
