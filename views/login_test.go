package views_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)

	b.get("/keys?q=x").redirects("/login?next=%2Fkeys%3Fq%3Dx")
	b.get("/login?next=/keys").is(200).shows(`name="next" value="/keys"`, `autocomplete="current-password"`)

	b.post("/login", "email", adminEmail, "password", "wrong").is(422).shows("Wrong e-mail address or password.", adminEmail)
	b.post("/login", "email", "nobody@example.com", "password", "wrong").is(422).shows("Wrong e-mail address or password.")
	b.get("/").redirects("/login")

	b.post("/login", "email", adminEmail, "password", password, "next", "/keys").redirects("/keys")
	b.get("/keys").is(200).shows(adminEmail, `action="/logout"`)
	b.get("/login?next=/models").redirects("/models")

	stolen := s.browser(t)
	stolen.client.Jar.SetCookies(b.get("/").Request.URL, b.client.Jar.Cookies(b.get("/").Request.URL))
	stolen.get("/keys").is(200)
	b.post("/logout").redirects("/login")
	b.get("/keys").redirects("/login")
	stolen.get("/keys").redirects("/login")
}

func TestSignInLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "javascript:alert(1)", "keys"} {
		b := s.browser(t)
		if to := b.post("/login", "email", adminEmail, "password", password, "next", next).redirects("/"); to != "/" {
			t.Errorf("next=%q leads to %q", next, to)
		}
	}
}

// Nothing behind the sign-in answers somebody who has not signed in, and a form of another site changes nothing.
func TestStrangers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	for _, path := range []string{"/", "/requests", "/requests/req_1", "/providers", "/providers/new", "/models", "/keys", "/keys/new", "/credit", "/credit/grant", "/sessions", "/users", "/audit", "/jobs"} {
		b.get(path).redirects("/login")
	}
	for _, path := range []string{"/keys/new", "/users/new", "/credit/grant", "/logout", "/providers/new"} {
		b.post(path, "name", "x").redirects("/login")
	}
	b.header.Set("Accept", "text/html, text/event-stream") // as htmx sets it, whatever it asks for
	b.get("/keys?q=x").redirects("/login?next=%2Fkeys%3Fq%3Dx")
	for _, path := range []string{"/live", "/requests/live", "/notifications/live", "/providers/prv_1/live"} {
		if got := b.get(path).is(200).body; got != "event: signed-out\ndata: \n\n" {
			t.Errorf("%s tells a stranger %q", path, got)
		}
	}

	admin := s.signIn(t, adminEmail)
	admin.header.Set("Sec-Fetch-Site", "cross-site")
	admin.post("/keys/new", "name", "forged").is(403)
	admin.header.Del("Sec-Fetch-Site")
	admin.get("/keys").is(200).hides("forged")
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	for _, path := range []string{"/", "/keys", "/nowhere", "/keys/key_nonsense"} {
		h := b.get(path).Header
		csp := h.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
	b.get("/nowhere").is(404).shows("Nothing here")
	b.get("/keys/key_nonsense").is(404)
	if got := b.get("/assets/app.css").StatusCode; got != http.StatusNotFound {
		t.Errorf("an asset without its hash is %d", got)
	}
}

// Whatever a member opens, they get a page or a refusal; so does an administrator.
func TestEveryPageAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	for path, forMember := range map[string]int{
		"/": 200, "/?range=hour": 200, "/?range=day": 200, "/?range=week": 200, "/requests": 200, "/requests?outcome=OK&model=x": 200,
		"/requests?key=nonsense&user=nonsense": 200, "/providers": 200, "/providers/new": 403, "/models": 200, "/models/new": 403,
		"/keys": 200, "/keys?q=x&revoked=on": 200, "/keys/new": 200, "/credit": 200, "/credit/grant": 403, "/credit/rule": 403,
		"/sessions": 200, "/sessions/password": 200, "/users": 200, "/users/new": 403, "/audit": 403, "/jobs": 403,
	} {
		admin.get(path).is(http.StatusOK)
		member.get(path).is(forMember)
	}
	member.get("/credit?user=" + s.admin.ID.String()).is(404)
	member.get("/users/" + s.admin.ID.String()).is(404)
	admin.get("/credit?user=" + s.member.ID.String()).is(200).shows(memberEmail)
	admin.get("/keys?after=nonsense").is(422)
}
