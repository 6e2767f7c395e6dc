package views_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"aihigress/views"
)

// When the sign-in ends before a page has opened its stream, the page goes to sign in, and nothing of it is an error: the
// two requests of one page race whenever somebody signs out at once.
func TestSignOutOvertakesTheStream(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	target, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	signedOut := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live" {
			select {
			case <-signedOut:
			case <-r.Context().Done():
			}
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	b := newTab(t, front.URL)
	b.signIn()
	b.until(`performance.timing.loadEventEnd > 0`)
	if _, err := s.pool.Exec(t.Context(), `UPDATE sessions SET revoked_at = now()`); err != nil {
		t.Fatal(err)
	}
	close(signedOut)
	b.until(`location.pathname === '/login' && location.search === '?next=%2F'`)
	b.silent()
}

// When the sign-in ends while a page follows its stream, the page goes to sign in as soon as it opens the next one, and
// comes back afterwards.
func TestStreamOfAnEndedSignIn(t *testing.T) {
	t.Parallel()
	draining := make(chan struct{})
	s := newSite(t, func(o *views.Options) { o.Draining = draining })
	b := newTab(t, s.server.URL)
	b.signIn()
	b.open("/requests?model=large")
	b.until(`document.querySelector('[data-live]').dataset.live === 'on'`)
	if _, err := s.pool.Exec(t.Context(), `UPDATE sessions SET revoked_at = now()`); err != nil {
		t.Fatal(err)
	}
	close(draining)
	b.until(`location.pathname === '/login' && document.querySelector('[name=next]').value === '/requests?model=large'`)
	b.silent()
}

// A page that is open when its reader is signed out elsewhere, or disabled, hears nothing more and goes to sign in. A new role
// asks for a new stream.
func TestStreamsEndWithTheSignIn(t *testing.T) {
	t.Parallel()
	for name, ended := range map[string]struct{ by, says string }{
		"signed out":      {`UPDATE sessions SET revoked_at = now()`, "event: signed-out\n"},
		"disabled":        {`UPDATE users SET disabled_at = now()`, "event: signed-out\n"},
		"another role":    {`UPDATE users SET role = 'member'`, ""},
		"asked in vain":   {`ALTER TABLE sessions RENAME TO away`, "stays"},
		"nothing happens": {`SELECT 1`, "stays"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(o *views.Options) { o.PingEvery = 20 * time.Millisecond })
			b := s.signIn(t, adminEmail)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+"/requests/live", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := b.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if _, err := s.pool.Exec(t.Context(), ended.by); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				if ended.says == "stays" && strings.Count(said.String(), ": ping") > 5 {
					return
				}
				said.WriteString(lines.Text() + "\n")
			}
			if ended.says == "stays" || !strings.Contains(said.String(), ended.says) || strings.Contains(said.String(), "event:") != (ended.says != "") {
				t.Errorf("the stream ended with %q", said.String())
			}
		})
	}
}

// A node that drains ends its streams, and those which are opened meanwhile, as if they were old: the browser opens the
// next one elsewhere. Whatever else htmx asks for says that it accepts a stream, and is answered to its end.
func TestDrainEndsStreamsAlone(t *testing.T) {
	t.Parallel()
	draining := make(chan struct{})
	s := newSite(t, func(o *views.Options) { o.Draining = draining })
	b := s.signIn(t, adminEmail)
	b.header.Set("Accept", "text/html, text/event-stream")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+"/requests/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.client.Do(req) // has come once the stream is open
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	close(draining)
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the stream ends as %d, %v: %s", resp.StatusCode, err, text)
	}
	if a := b.get("/live").is(200); !strings.HasPrefix(a.body, ": open\n") || strings.Contains(a.body, "event:") {
		t.Errorf("the next one is %s", a.body)
	}
	b.get("/keys").is(200).shows("API keys")
	b.post("/keys/new", "name", "while it drains").is(200).shows("sk-hg-")
}
