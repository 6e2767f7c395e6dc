// Package upstream makes calls to vendors: over pooled connections, with the provider's credential and headers, and
// never to an address that an admin has not allowed.
package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"aihigress/internal/llm"
	"aihigress/internal/provider"
	"aihigress/internal/snapshot"
)

// Options configure a Client. The zero value is ready for production.
type Options struct {
	ConnectTimeout time.Duration  // for a TCP connection, and again for its TLS handshake; 0 is 5 s
	Resolver       *net.Resolver  // nil is the system's
	RootCAs        *x509.CertPool // nil is the system's
	UserAgent      string         // where a call brings none; "" is "aihigress"
	AllowLoopback  bool           // providers on this machine need no admin's leave: for `aihigress dev`, where vendors are fake
	Config         Config         // knows the egress pools of probes; nil is none. Calls bring their provider's
}

// A Client is safe for concurrent use. It keeps connections: make one and keep it.
type Client struct {
	ways        *ways
	exits       *exits
	connections connections
	config      Config
	tokens      *tokens
	userAgent   string
}

// New makes a client.
func New(o Options) *Client {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 5 * time.Second
	}
	if o.UserAgent == "" {
		o.UserAgent = "aihigress"
	}
	return &Client{
		ways: newWays(o), exits: newExits(), connections: connections{counts: map[string]*counts{}}, config: o.Config,
		tokens: newTokens(), userAgent: o.UserAgent,
	}
}

// A connector makes connections to host:port.
type connector interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// transport is tuned for many requests to few hosts. It takes no proxy from the environment: the guard would see the
// proxy's address and not the provider's.
func transport(by connector, roots *x509.CertPool, o Options) *http.Transport {
	return &http.Transport{
		DialContext:            dialPlain(by),
		DialTLSContext:         dialTLS(by, roots, o.ConnectTimeout),
		ForceAttemptHTTP2:      true, // a custom dialer turns it off
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConns:           2048,
		MaxIdleConnsPerHost:    512, // the default of 2 closes nearly every connection under load
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // usage is read from the bytes as they are forwarded
		WriteBufferSize:        joinLimit,
		ReadBufferSize:         16 << 10,
		MaxResponseHeaderBytes: 256 << 10,
	}
}

// dialPlain makes connections that copy bodies through pooled buffers. The standard library makes one of 32 KB for every body
// that does not fit the connection's own.
func dialPlain(by connector) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := by.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return plainConn{conn}, nil
	}
}

type plainConn struct{ net.Conn }

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ReadFrom sends what r holds.
func (c plainConn) ReadFrom(r io.Reader) (int64, error) {
	buffer := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, r, buffer[:])
}

// dialTLS does what the transport would, but marks a failed handshake: after it the vendor has not seen the request.
func dialTLS(by connector, roots *x509.CertPool, timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		plain, err := by.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(plain, &tls.Config{
			ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		})
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if err := conn.HandshakeContext(ctx); err != nil {
			plain.Close()
			err = fmt.Errorf("%w: %w", errHandshake, err)
			if _, tunnelled := by.(*tunnel); tunnelled {
				return nil, &proxyError{err: err, reached: true} // another proxy may lead there
			}
			return nil, err
		}
		return conn, nil
	}
}

// A Call is one request to a provider.
type Call struct {
	Provider *snapshot.Provider
	Key      *snapshot.ProviderKey // nil sends no credential
	Method   string                // "" is POST
	Path     string                // behind the base URL, escaped, as Locate gives it
	Query    url.Values
	Header   http.Header // of the caller, filtered; Do changes it. Credentials in it are dropped
	Body     [][]byte    // segments, sent one after the other; unchanged until Sending is idle, or for good without one
	Lasting  bool        // they are unchanged for good with a Sending too, so that one that is whole is sent without a copy
	Sending  *Sending    // is told what becomes of the body; may be nil
	// Reader is sent in place of Body, once, and closed: what is too large for memory. Length is its length; negative is unknown.
	Reader io.ReadCloser
	Length int64
}

// Do makes the call. The response's body must be closed. Any status is a response, redirects too: they are not followed.
// A failure has the kind Upstream and one of the codes above, unless ctx was cancelled. Limits on the answer's time are
// the caller's, by ctx; it ends the call and the body's reading.
func (c *Client) Do(ctx context.Context, call Call) (*http.Response, error) {
	var began int32
	if call.Sending != nil {
		began = call.Sending.begin() // before all that may fail: what was sent before is not of this call
	}
	p := call.Provider
	target := *p.BaseURL
	target.User = nil // a credential in a URL ends up in logs
	target.RawQuery = call.Query.Encode()
	if err := extend(&target, call.Path); err != nil {
		return nil, err
	}

	header, err := c.header(ctx, call)
	if err != nil {
		return nil, err
	}
	request := &http.Request{
		Method: call.Method, URL: &target, Host: target.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if request.Method == "" {
		request.Method = http.MethodPost
	}
	if call.Reader != nil {
		request.Body, request.ContentLength = call.Reader, max(call.Length, -1)
	} else {
		attach(request, call.Body, call.Sending, call.Sending != nil && !call.Lasting)
	}
	trace := &httptrace.ClientTrace{GotConn: c.connections.of(p.Slug).got}
	if call.Sending != nil {
		trace.WroteRequest = call.Sending.wrote(began)
	}
	ctx = httptrace.WithClientTrace(ctx, trace)
	response, err := c.to(p, call.Key).RoundTrip(request.WithContext(ctx))
	if err != nil {
		return nil, classify(ctx, err)
	}
	return response, nil
}

// to is how requests with a key go to a provider.
func (c *Client) to(p *snapshot.Provider, key *snapshot.ProviderKey) route {
	r := route{client: c, provider: p}
	if key != nil {
		r.key = key.ID
	}
	return r
}

// extend puts an escaped path behind a URL's.
func extend(u *url.URL, path string) error {
	if u.RawPath == "" && !strings.Contains(path, "%") {
		u.Path += path
		return nil
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return fmt.Errorf("path of the call: %w", err)
	}
	u.Path, u.RawPath = u.Path+plain, u.EscapedPath()+path
	return nil
}

// header is what goes out: the call's, under the provider's, under what the gateway must say.
func (c *Client) header(ctx context.Context, call Call) (http.Header, error) {
	h := call.Header
	if h == nil {
		h = make(http.Header, 4+len(call.Provider.Headers))
	}
	for _, name := range credentials {
		delete(h, name)
	}
	if call.Provider.Kind == provider.KindClaudeCLI {
		asClaudeCLI(h)
	}
	for name, values := range call.Provider.Headers {
		h[name] = values
	}
	h["Accept-Encoding"] = identity
	if _, ok := h["Idempotency-Key"]; !ok {
		// With no value it is not sent, but lets the transport try again where a kept connection was closed unanswered.
		h["Idempotency-Key"] = nil
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{c.userAgent}
	}
	if call.Key == nil || call.Key.Secret.Empty() {
		return h, nil
	}
	return h, c.authorize(ctx, h, call.Provider, call.Key)
}

var (
	identity = []string{"identity"}
	// credentials are never passed on from a caller: they are the gateway's, or the caller's own elsewhere.
	credentials = []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key", "Cookie", "Proxy-Authorization"}
)

// authorize puts the credential where the provider's kind and dialect look for it.
func (c *Client) authorize(ctx context.Context, h http.Header, p *snapshot.Provider, with *snapshot.ProviderKey) error {
	key := with.Secret.Reveal()
	switch {
	case p.Kind == provider.KindVertex && provider.IsServiceAccount(key):
		token, err := c.tokens.get(ctx, key, &http.Client{Transport: c.to(p, with), CheckRedirect: stay}, p.AllowPrivate)
		if err != nil {
			return err
		}
		h["Authorization"] = []string{"Bearer " + token}
	case p.Kind == provider.KindVertex, p.Dialect == llm.Gemini:
		h["X-Goog-Api-Key"] = []string{key}
	case p.Kind == provider.KindClaudeCLI:
		h["Authorization"] = []string{"Bearer " + key}
	case p.Dialect == llm.Anthropic:
		h["X-Api-Key"] = []string{key}
	default:
		h["Authorization"] = []string{"Bearer " + key}
	}
	return nil
}

// stay follows no redirect: what is sent for a token is good for a token elsewhere too.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close waits for what the client does beside its calls, and closes the connections that are not in use. Calls of Vertex
// fail after it.
func (c *Client) Close() {
	c.tokens.stop()
	c.ways.close()
}
