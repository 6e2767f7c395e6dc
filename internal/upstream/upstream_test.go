package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"aihigress/internal/fault"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, handler http.HandlerFunc) (*Client, *snapshot.Provider) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return client(t, Options{}), at(t, server.URL)
}

func client(t *testing.T, o Options) *Client {
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

func at(t *testing.T, base string) *snapshot.Provider {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return &snapshot.Provider{BaseURL: u, AllowPrivate: true, Dialect: "openai"}
}

func TestDoSendsWhatTheVendorNeeds(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	c, p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, body = r, string(raw)
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	p.BaseURL = at(t, p.BaseURL.String()+"/v1").BaseURL
	p.BaseURL.User = url.UserPassword("user", "password")
	p.Headers = http.Header{"X-Team": {"blue"}}
	response, err := c.Do(t.Context(), Call{
		Provider: p, Key: &snapshot.ProviderKey{Secret: secret.NewText("vendor key")}, Path: "/chat/completions",
		Header: http.Header{
			"Authorization": {"Bearer the caller's"}, "X-Api-Key": {"the caller's"}, "Cookie": {"a=b"},
			"X-Team": {"red"}, "Content-Type": {"application/json"}, "Accept-Encoding": {"gzip"},
		},
		Body: [][]byte{[]byte(`{"model":`), nil, []byte(`"gpt"`), []byte(`}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusTemporaryRedirect {
		raw, _ := io.ReadAll(response.Body)
		t.Fatalf("the redirect was followed: %s: %s", response.Status, raw)
	}
	if got.Method != http.MethodPost || got.URL.Path != "/v1/chat/completions" || body != `{"model":"gpt"}` || got.ContentLength != int64(len(body)) {
		t.Errorf("%s %s, %d bytes: %s", got.Method, got.URL, got.ContentLength, body)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer vendor key", "X-Api-Key": "", "Cookie": "", "X-Team": "blue",
		"Idempotency-Key": "", "Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "aihigress",
	} {
		if have := got.Header.Get(name); have != want {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
}

func TestCredentialStandsWhereTheDialectWantsIt(t *testing.T) {
	t.Parallel()
	c := client(t, Options{})
	for _, tc := range []struct {
		kind, dialect string
		want          http.Header
	}{
		{provider.KindDirect, "openai", http.Header{"Authorization": {"Bearer k"}}},
		{provider.KindDirect, "responses", http.Header{"Authorization": {"Bearer k"}}},
		{provider.KindDirect, "anthropic", http.Header{"X-Api-Key": {"k"}}},
		{provider.KindDirect, "gemini", http.Header{"X-Goog-Api-Key": {"k"}}},
		{provider.KindVertex, "gemini", http.Header{"X-Goog-Api-Key": {"k"}}},
		{provider.KindVertex, "anthropic", http.Header{"X-Goog-Api-Key": {"k"}}},
		{provider.KindClaudeCLI, "anthropic", http.Header{"Authorization": {"Bearer k"}}},
	} {
		h, dialect, want := http.Header{}, tc.kind+" "+tc.dialect, tc.want
		if err := c.authorize(t.Context(), h, &snapshot.Provider{Kind: tc.kind, Dialect: tc.dialect}, &snapshot.ProviderKey{Secret: secret.NewText("k")}); err != nil || len(h) != len(want) {
			t.Errorf("%s: %v, %v", dialect, h, err)
		}
		for name := range want {
			if h.Get(name) != want.Get(name) {
				t.Errorf("%s: %s is %q", dialect, name, h.Get(name))
			}
		}
	}
}

func TestBasePathKeepsItsEscapes(t *testing.T) {
	t.Parallel()
	var got string
	c, p := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI })
	p.BaseURL = at(t, p.BaseURL.String()+"/a%2Fb/v1").BaseURL
	response, err := c.Do(t.Context(), Call{Provider: p, Path: "/models", Method: "GET", Query: url.Values{"limit": {"9"}}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if got != "/a%2Fb/v1/models?limit=9" {
		t.Errorf("asked for %s", got)
	}
}

// An upstream may answer before it has read the request. A bare reverse proxy breaks some of those streams.
func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	const size = 8 << 20 // more than the sockets hold
	c, p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "first ")
		control.Flush()
		n, err := io.Copy(io.Discard, r.Body)
		if n != size || err != nil {
			t.Errorf("%d bytes arrived: %v", n, err)
		}
		io.WriteString(w, "last")
	})
	half := bytes.Repeat([]byte("x"), size/2)
	response, err := c.Do(t.Context(), Call{Provider: p, Body: [][]byte{half, half}})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if all, err := io.ReadAll(response.Body); string(all) != "first last" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
}

// A body whose memory is used again too early would send one caller's words to another's vendor.
func TestSendingTellsWhenABodyIsFree(t *testing.T) {
	t.Parallel()
	answered, finish := make(chan struct{}), make(chan struct{})
	c, p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		control.EnableFullDuplex()
		control.Flush()
		close(answered)
		<-finish
		io.Copy(io.Discard, r.Body)
	})
	const size = 8 << 20 // more than the sockets hold
	var sending Sending
	response, err := c.Do(t.Context(), Call{Provider: p, Body: [][]byte{make([]byte, size)}, Sending: &sending})
	if err != nil {
		t.Fatal(err)
	}
	<-answered
	if sending.Idle() || sending.Sent() {
		t.Errorf("half sent: idle %v, sent %v", sending.Idle(), sending.Sent())
	}
	close(finish)
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if !sending.Idle() || !sending.Sent() {
		t.Errorf("at the end: idle %v, sent %v", sending.Idle(), sending.Sent())
	}

	small := []byte("borrowed")
	var second Sending
	request := &http.Request{}
	attach(request, [][]byte{small}, &second, true)
	small[0] = 'B'
	if got, err := io.ReadAll(request.Body); string(got) != "borrowed" || err != nil || !second.Idle() {
		t.Errorf("a small body is not a copy: %q, %v", got, err)
	}
	attach(request, [][]byte{small}, &second, false)
	small[0] = 'L'
	if got, err := io.ReadAll(request.Body); string(got) != "Lorrowed" || err != nil || !second.Idle() {
		t.Errorf("a lasting body is a copy: %q, %v", got, err)
	}
}

// A vendor closes idle connections when it likes; the next request must not pay for it.
func TestIdleConnectionThatWasClosed(t *testing.T) {
	t.Parallel()
	var served atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		served.Add(1)
	}))
	t.Cleanup(server.Close)
	c, p := client(t, Options{}), at(t, server.URL)
	for range 5 {
		response, err := c.Do(t.Context(), Call{Provider: p, Body: [][]byte{[]byte("{}")}})
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		server.CloseClientConnections()
	}
	if served.Load() != 5 {
		t.Errorf("%d calls arrived", served.Load())
	}
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c, p := client(t, Options{}), at(t, server.URL)
	for range 20 {
		response, err := c.Do(t.Context(), Call{Provider: p})
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections for 20 calls in a row", opened.Load())
	}
	if got := c.Connections(); len(got) != 1 || got[0] != (ConnectionCount{New: 1, Reused: 19}) {
		t.Errorf("counted %+v", got)
	}
}

func TestSecureHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	response, err := client(t, Options{RootCAs: roots}).Do(t.Context(), Call{Provider: at(t, server.URL), Body: [][]byte{[]byte("{}")}})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if proto, _ := io.ReadAll(response.Body); string(proto) != "HTTP/2.0" {
		t.Errorf("spoke %s", proto)
	}
}

func TestFailuresHaveCodes(t *testing.T) {
	t.Parallel()
	listen := func(handle func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				handle(conn)
				conn.Close()
			}
		}()
		t.Cleanup(func() { l.Close(); <-done })
		return l.Addr().String()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	request := func(conn net.Conn) { http.ReadRequest(bufio.NewReader(conn)) }
	stop := make(chan struct{})
	silent := listen(func(conn net.Conn) { request(conn); <-stop })
	mute := listen(func(net.Conn) { <-stop })
	t.Cleanup(func() { close(stop) })

	for _, tc := range []struct {
		name, url, code string
		unsent          bool
	}{
		{"nobody listens", "http://" + closed.Addr().String(), CodeConnect, true},
		{"no such host", "http://nowhere.invalid", CodeConnect, true},
		{"unknown authority", secure.URL, CodeTLS, true},
		{"plain where TLS is wanted", "https://" + listen(func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }), CodeTLS, true},
		{"no handshake", "https://" + mute, CodeTLS, true},
		{"no answer", "http://" + silent, CodeTimeout, false},
		{"closed without an answer", "http://" + listen(request), CodeBroken, false},
		{"not HTTP", "http://" + listen(func(conn net.Conn) { request(conn); io.WriteString(conn, "220 mail.example.com ESMTP\r\n") }), CodeBroken, false},
	} {
		patience := 30 * time.Second // a busy machine is no failure
		if tc.code == CodeTimeout {
			patience = time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c := New(Options{ConnectTimeout: 200 * time.Millisecond, Resolver: resolver(nil)})
		_, err := c.Do(ctx, Call{Provider: at(t, tc.url), Body: [][]byte{[]byte("{}")}})
		cancel()
		c.Close()
		failure, ok := fault.As(err)
		if !ok || failure.Kind != fault.Upstream || failure.Code != tc.code || Unsent(err) != tc.unsent {
			t.Errorf("%s: %+v, unsent %v; want %s, %v: %v", tc.name, failure, Unsent(err), tc.code, tc.unsent, err)
		} else if strings.Contains(failure.Message, "127.0.0.1") || strings.Contains(failure.Message, "nowhere") {
			t.Errorf("%s: the message names the host: %s", tc.name, failure.Message)
		}
	}
}

func TestCancelledIsNobodysFailure(t *testing.T) {
	t.Parallel()
	arrived, ended := make(chan struct{}), make(chan struct{})
	c, p := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := c.Do(ctx, Call{Provider: p})
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Internal {
		t.Errorf("%v", err)
	}
	<-ended // the vendor is told
}

func TestBody(t *testing.T) {
	t.Parallel()
	segments := [][]byte{nil, []byte("ab"), {}, []byte("c"), []byte("defgh"), nil}
	if err := iotest.TestReader(&body{rest: segments}, []byte("abcdefgh")); err != nil {
		t.Error(err)
	}
	if err := iotest.TestReader(&body{}, nil); err != nil {
		t.Error(err)
	}
	for _, large := range []int{1, joinLimit} {
		last := bytes.Repeat([]byte("z"), large)
		r := &http.Request{}
		attach(r, append(segments, last), nil, false)
		again, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		want := "abcdefgh" + string(last)
		for _, reader := range []io.Reader{r.Body, again} {
			if got, err := io.ReadAll(reader); string(got) != want || err != nil || r.ContentLength != int64(len(want)) {
				t.Errorf("%d bytes of %d: %v", len(got), len(want), err)
			}
		}
	}
}
