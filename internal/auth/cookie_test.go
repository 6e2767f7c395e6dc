package auth

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"aihigress/internal/secret"
)

// browse sends one request with a cookie to a handler behind the manager, and is the cookie that came back, if any.
func (f *fixture) browse(cookie *http.Cookie, handle func(r *http.Request)) (*httptest.ResponseRecorder, *http.Cookie) {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), http.MethodGet, "/", nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	f.Cookies().LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { handle(r) })).ServeHTTP(w, r)
	if cookies := w.Result().Cookies(); len(cookies) > 0 {
		return w, cookies[0]
	}
	return w, nil
}

// A reader who goes while the cookie is looked up is no failure of the gateway's; that the database is away is one.
func TestCookieOfOneWhoHasGone(t *testing.T) {
	t.Parallel()
	f := open(t)
	var log strings.Builder
	f.log = slog.New(slog.NewTextHandler(&log, nil))
	_, cookie := f.browse(nil, func(r *http.Request) { f.Cookies().Put(r.Context(), "session", "s") })
	ask := func(ctx context.Context) {
		t.Helper()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		f.Cookies().LoadAndSave(http.NotFoundHandler()).ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%d, want 503", w.Code)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if ask(gone); log.Len() > 0 {
		t.Errorf("one who went is logged: %s", &log)
	}
	f.pool.Close()
	if ask(t.Context()); !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("a database that is away is not logged: %s", &log)
	}
}

func TestCookieKeepsTheSession(t *testing.T) {
	t.Parallel()
	f := open(t)
	tokens := f.signIn(email)
	if _, c := f.browse(nil, func(*http.Request) {}); c != nil {
		t.Errorf("a cookie for nothing: %v", c)
	}
	_, cookie := f.browse(nil, func(r *http.Request) { f.Cookies().Put(r.Context(), "session", tokens.Session.String()) })
	if cookie == nil {
		t.Fatal("no cookie")
	}
	if cookie.Name != "aihigress_session" || !cookie.HttpOnly || cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
		t.Errorf("%+v", cookie)
	}
	if left := time.Until(cookie.Expires); left < Lifetime-time.Hour || left > Lifetime+time.Hour {
		t.Errorf("expires in %v", left)
	}
	var got string
	f.browse(cookie, func(r *http.Request) { got = f.Cookies().GetString(r.Context(), "session") })
	if got != tokens.Session.String() {
		t.Errorf("got %q", got)
	}

	hash := sha256.Sum256([]byte(cookie.Value))
	var byHash, byValue int
	err := f.pool.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE token_hash = $1),
		count(*) FILTER (WHERE token_hash = convert_to($2, 'UTF8') OR position(convert_to($2, 'UTF8') IN data) > 0) FROM session_cookies`,
		hash[:], cookie.Value).Scan(&byHash, &byValue)
	if err != nil || byHash != 1 || byValue != 0 {
		t.Errorf("%d rows under its hash, %d hold it, %v", byHash, byValue, err)
	}

	_, renewed := f.browse(cookie, func(r *http.Request) {
		if err := f.Cookies().RenewToken(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if renewed == nil || renewed.Value == cookie.Value {
		t.Fatalf("renewed: %v", renewed)
	}
	f.browse(cookie, func(r *http.Request) { got = f.Cookies().GetString(r.Context(), "session") })
	if got != "" {
		t.Error("the token from before still works")
	}
	_, gone := f.browse(renewed, func(r *http.Request) {
		if err := f.Cookies().Destroy(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if gone == nil || gone.MaxAge >= 0 {
		t.Errorf("destroyed: %v", gone)
	}
	var rows int
	if err := f.pool.QueryRow(t.Context(), "SELECT count(*) FROM session_cookies").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows are left, %v", rows, err)
	}
}

func TestCookieExpiresInTheStore(t *testing.T) {
	t.Parallel()
	f := open(t)
	_, cookie := f.browse(nil, func(r *http.Request) { f.Cookies().Put(r.Context(), "session", "x") })
	f.clock.advance(Lifetime + time.Hour)
	got := "x"
	f.browse(cookie, func(r *http.Request) { got = f.Cookies().GetString(r.Context(), "session") })
	if got != "" {
		t.Errorf("got %q", got)
	}
}

func TestForgedCookiesAreNobody(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, value := range []string{"x", strings.Repeat("A", 43), strings.Repeat("x", 4000)} {
		var got string
		w, c := f.browse(&http.Cookie{Name: CookieName, Value: value}, func(r *http.Request) {
			got = f.Cookies().GetString(r.Context(), "session")
		})
		if got != "" || c != nil || w.Code != http.StatusOK {
			t.Errorf("%.10q: %q, %v, %d", value, got, c, w.Code)
		}
	}
}

func TestCookieIsSecureWhereAskedFor(t *testing.T) {
	t.Parallel()
	f := open(t)
	keyring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	f.Auth = New(Options{Pool: f.pool, Users: f.users, Audit: f.audit, Keyring: keyring, State: func() State { return f.state }, Secure: true})
	_, cookie := f.browse(nil, func(r *http.Request) { f.Cookies().Put(r.Context(), "session", "x") })
	if cookie == nil || !cookie.Secure {
		t.Errorf("%+v", cookie)
	}
}

func TestAPageWithoutADatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	f := open(t)
	_, cookie := f.browse(nil, func(r *http.Request) { f.Cookies().Put(r.Context(), "session", "x") })
	f.pool.Close()
	w, _ := f.browse(cookie, func(*http.Request) { t.Error("the page was shown") })
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(f.logs.String(), "session cookie") {
		t.Errorf("%d, logged %s", w.Code, f.logs)
	}
}
