package upstream

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"aihigress/internal/fault"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

// signer is the one key of the tests: making one is slow.
var signer = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// account is a service account's key that asks at an address.
func account(t *testing.T, tokenURI string, change ...string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(signer())
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{
		"type": "service_account", "client_email": "gateway@example.iam.gserviceaccount.com", "private_key_id": "key-1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURI,
	}
	for i := 0; i < len(change); i += 2 {
		fields[change[i]] = change[i+1]
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// google gives tokens to whoever signs as they should, numbered, and counts them.
type google struct {
	*httptest.Server
	given   atomic.Int32
	answer  atomic.Pointer[string] // instead of a token
	expires int
	entered chan struct{} // told of each request, where set
	leave   chan struct{} // waited for, where set
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	g := &google{expires: 3600}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var claims struct {
			jwt.RegisteredClaims
			Scope string `json:"scope"`
		}
		token, err := jwt.ParseWithClaims(r.PostFormValue("assertion"), &claims, func(*jwt.Token) (any, error) { return &signer().PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(g.URL), jwt.WithIssuer("gateway@example.iam.gserviceaccount.com"), jwt.WithExpirationRequired())
		if err != nil || claims.Scope != cloudPlatform || token.Header["kid"] != "key-1" ||
			r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			t.Errorf("assertion: %v, %+v", err, claims)
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		n := g.given.Add(1)
		if g.entered != nil {
			g.entered <- struct{}{}
			<-g.leave
		}
		if answer := g.answer.Load(); answer != nil {
			http.Error(w, *answer, http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%d}`, n, g.expires)
	}))
	t.Cleanup(g.Close)
	return g
}

// clock is a time that a test sets.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func TestVertexIsCalledWithAToken(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	var got atomic.Value
	c, p := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got.Store(r.RequestURI + " " + r.Header.Get("Authorization") + r.Header.Get("X-Goog-Api-Key"))
	})
	p.Kind, p.Dialect = provider.KindVertex, "gemini"
	call := func(key string) string {
		t.Helper()
		a, err := Locate(p, Generate, "gemini-3-pro", true)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Do(t.Context(), Call{Provider: p, Key: &snapshot.ProviderKey{Secret: secret.NewText(key)}, Path: a.Path, Query: a.Query})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return got.Load().(string)
	}
	const path = "/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse "
	key := account(t, g.URL)
	for range 3 {
		if got := call(key); got != path+"Bearer token-1" {
			t.Errorf("called %s", got)
		}
	}
	if got := call("an-api-key"); got != path+"an-api-key" || g.given.Load() != 1 {
		t.Errorf("called %s; %d tokens", got, g.given.Load())
	}
}

func TestTokenIsRenewedAhead(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	var at clock
	at.advance(time.Since(time.Unix(0, 0)))
	c := client(t, Options{})
	c.tokens.now = at.now
	key := account(t, g.URL)
	get := func() (string, error) {
		return c.tokens.get(t.Context(), key, &http.Client{Transport: c.ways.open}, true)
	}
	want := func(token string, given int32) {
		t.Helper()
		if got, err := get(); got != token || err != nil || g.given.Load() != given {
			t.Fatalf("%q, %v after %d given; want %q, %d", got, err, g.given.Load(), token, given)
		}
	}
	want("token-1", 1)
	at.advance(53 * time.Minute)
	want("token-1", 1)

	// At nine tenths of its life it still serves, while the next one is fetched once.
	g.entered, g.leave = make(chan struct{}), make(chan struct{})
	at.advance(2 * time.Minute)
	for range 3 {
		if got, err := get(); got != "token-1" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	<-g.entered
	want("token-1", 2)
	g.leave <- struct{}{}
	c.tokens.running.Wait()
	g.entered = nil
	want("token-2", 2)

	// A failure while the token is good is nobody's but the next try's.
	refusal := `{"error":"invalid_grant","assertion":"secret"}`
	g.answer.Store(&refusal)
	at.advance(55 * time.Minute)
	if got, err := get(); got != "token-2" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	c.tokens.running.Wait()
	want("token-2", 3)
	at.advance(10 * time.Minute)
	for range 3 { // once it is over, calls fail; those right after the first without asking
		_, err := get()
		failure, ok := fault.As(err)
		if !ok || failure.Kind != fault.Upstream || failure.Code != CodeCredential || !Unsent(err) || strings.Contains(err.Error(), "secret") {
			t.Fatalf("%v", err)
		}
	}
	if g.given.Load() != 4 {
		t.Errorf("asked %d times", g.given.Load())
	}
	g.answer.Store(nil)
	at.advance(tokenRetry)
	want("token-5", 5)
}

func TestWaitingForATokenEndsWithTheCall(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	g.entered, g.leave = make(chan struct{}), make(chan struct{})
	c := client(t, Options{})
	key := account(t, g.URL)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := c.tokens.get(ctx, key, &http.Client{Transport: c.ways.open}, true)
		done <- err
	}()
	<-g.entered
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("%v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.tokens.get(late, key, &http.Client{Transport: c.ways.open}, true); fault.KindOf(err) != fault.Upstream || !Unsent(err) {
		t.Errorf("%v", err)
	}
	close(g.leave) // the try goes on for others
	if got, err := c.tokens.get(t.Context(), key, &http.Client{Transport: c.ways.open}, true); got != "token-1" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A service account's key is whatever somebody pastes: it must not make the gateway ask, read or run what it names.
func TestHostileServiceAccounts(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(inside.Close)
	c := client(t, Options{})
	for name, key := range map[string]string{
		"inside":          account(t, inside.URL),
		"metadata":        account(t, "http://169.254.169.254/latest/meta-data"),
		"host that looks": account(t, "https://oauth2.googleapis.com.example.com/token"),
		"other path":      account(t, "https://oauth2.googleapis.com/elsewhere"),
		"in the user":     account(t, "https://oauth2.googleapis.com@example.com/token"),
		"external":        account(t, provider.GoogleTokens, "type", "external_account"),
		"no key":          account(t, provider.GoogleTokens, "private_key", ""),
		"not a key":       account(t, provider.GoogleTokens, "private_key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
		"nobody":          account(t, provider.GoogleTokens, "client_email", ""),
		"not JSON":        "{",
		"not an object":   `{"type":5}`,
	} {
		p := at(t, "https://vertex.example.com")
		p.Kind, p.Dialect, p.AllowPrivate = provider.KindVertex, "gemini", false
		_, err := c.Do(t.Context(), Call{Provider: p, Key: &snapshot.ProviderKey{Secret: secret.NewText(key)}, Path: "/x"})
		if failure, ok := fault.As(err); !ok || failure.Kind != fault.Upstream || failure.Code != CodeCredential {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the gateway asked inside %d times", asked.Load())
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	var at clock
	c := client(t, Options{})
	c.tokens.now = at.now
	for i := range maxTokens + 10 {
		at.advance(time.Second)
		if _, err := c.tokens.get(t.Context(), fmt.Sprintf("{%d", i), &http.Client{Transport: c.ways.open}, true); err == nil {
			t.Fatal("a key that is none gave a token")
		}
	}
	if len(c.tokens.held) != maxTokens {
		t.Errorf("%d are held", len(c.tokens.held))
	}
}
