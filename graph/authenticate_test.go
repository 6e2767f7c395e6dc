package graph

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/auth"
)

// cookie is the header that a browser would send in which the person is signed in.
func (h *house) cookie(p person) string {
	h.Helper()
	cookies := h.domain.Auth.Cookies()
	ctx := must(cookies.Load(h.Context(), ""))(h.T)
	cookies.Put(ctx, auth.CookieSession, p.session.String())
	token, _, err := cookies.Commit(ctx)
	if err != nil {
		h.Fatal(err)
	}
	return cookies.Cookie.Name + "=" + token
}

func TestBearerTokens(t *testing.T) {
	t.Parallel()
	h := open(t)
	_, platform := h.key(h.member, apikey.Platform)
	_, inference := h.key(h.member, apikey.Inference)
	soon := time.Now().Add(time.Hour)
	expiring, elsewhere := apikey.CreateInput{Name: "x", Scopes: []apikey.Scope{apikey.Platform}, ExpiresAt: &soon}, apikey.CreateInput{
		Name: "x", Scopes: []apikey.Scope{apikey.Platform}, IPRanges: []string{"192.0.2.0/24"},
	}
	secrets := map[string]string{"platform": platform, "inference": inference}
	for name, in := range map[string]apikey.CreateInput{"expiring": expiring, "elsewhere": elsewhere} {
		_, text, err := h.domain.Keys.Create(h.as(h.member), in)
		if err != nil {
			t.Fatal(err)
		}
		secrets[name] = text.Reveal()
	}
	h.reload()
	for name, c := range map[string]struct {
		header, email string
	}{
		"access token":       {h.admin.token, "admin@example.com"},
		"lower case scheme":  {"bearer " + h.admin.token[len("Bearer "):], "admin@example.com"},
		"platform key":       {"Bearer " + secrets["platform"], "member@example.com"},
		"key that will end":  {"Bearer " + secrets["expiring"], "member@example.com"},
		"inference key":      {"Bearer " + secrets["inference"], ""},
		"key of other place": {"Bearer " + secrets["elsewhere"], ""},
		"key with a typo":    {"Bearer " + secrets["platform"][:20] + other(secrets["platform"][20]) + secrets["platform"][21:], ""},
		"unknown key":        {"Bearer " + apikey.Mint().Reveal(), ""},
		"no token":           {"Bearer", ""},
		"another scheme":     {"Basic YTpi", ""},
		"nonsense":           {"Bearer x.y.z", ""},
		"refresh token":      {"Bearer " + h.admin.refresh, ""},
	} {
		status, header, raw := h.send(http.MethodPost, "", `{"query":"{ viewer { email } }"}`, "Content-Type", mediaJSON, "Authorization", c.header)
		answer := gjson.ParseBytes(raw)
		if got := answer.Get("data.viewer.email").String(); got != c.email {
			t.Errorf("%s: is %q, want %q: %s", name, got, c.email, raw)
		}
		if c.email != "" {
			continue
		}
		if status != http.StatusUnauthorized || header.Get("WWW-Authenticate") != "Bearer" || answer.Get("errors.0.extensions.code").String() != "UNAUTHENTICATED" {
			t.Errorf("%s: status %d: %s", name, status, raw)
		}
	}
}

func TestCookiesCountOnlyForOurOwnPages(t *testing.T) {
	t.Parallel()
	h := open(t)
	cookie := h.cookie(h.member)
	ours := h.url[:len(h.url)-len(Path)]
	const body = `{"query":"{ viewer { email } }"}`
	for name, c := range map[string]struct {
		headers []string
		email   string
	}{
		"a script of ours":         {[]string{"Sec-Fetch-Site", "same-origin"}, "member@example.com"},
		"our origin":               {[]string{"Origin", ours}, "member@example.com"},
		"no browser":               {nil, "member@example.com"},
		"another site":             {[]string{"Sec-Fetch-Site", "cross-site"}, ""},
		"another host of the site": {[]string{"Sec-Fetch-Site", "same-site"}, ""},
		"another origin":           {[]string{"Origin", "https://elsewhere.example.com"}, ""},
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			query, contentType, sent := "", mediaJSON, body
			if method == http.MethodGet {
				query, contentType, sent = "?query="+url.QueryEscape("{ viewer { email } }"), "", ""
			}
			_, _, raw := h.send(method, query, sent, append([]string{"Content-Type", contentType, "Cookie", cookie}, c.headers...)...)
			if got := gjson.GetBytes(raw, "data.viewer.email").String(); got != c.email {
				t.Errorf("%s, %s: is %q, want %q: %s", name, method, got, c.email, raw)
			}
		}
	}
	if err := h.domain.Auth.Revoke(h.as(h.member), h.member.session); err != nil {
		t.Fatal(err)
	}
	_, _, raw := h.send(http.MethodPost, "", body, "Content-Type", mediaJSON, "Cookie", cookie)
	h.same("a session that was revoked", string(raw), `{"data":{"viewer":null}}`)
	_, _, raw = h.send(http.MethodPost, "", body, "Content-Type", mediaJSON, "Cookie", auth.CookieName+"=nonsense")
	h.same("a cookie that is none", string(raw), `{"data":{"viewer":null}}`)
}

func TestDisabledUsersTokenEnds(t *testing.T) {
	t.Parallel()
	h := open(t)
	yes := true
	if _, err := h.domain.Users.Update(h.as(h.admin), h.member.ID, account.UpdateInput{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	h.reload()
	h.same("the code", h.failed(h.member.token, "{ viewer { email } }", nil), "UNAUTHENTICATED")
}

func TestStorageAwayIsNoSignOut(t *testing.T) {
	t.Parallel()
	h := open(t)
	cookie := h.cookie(h.member)
	h.drop("ALTER TABLE session_cookies RENAME TO gone")
	status, _, raw := h.send(http.MethodPost, "", `{"query":"{ __typename }"}`, "Content-Type", mediaJSON, "Cookie", cookie)
	h.same("the status", status, http.StatusServiceUnavailable)
	h.same("the code", gjson.GetBytes(raw, "errors.0.extensions.code"), codeInternal)
}

// other is a sign that a key may have, and not the given one.
func other(sign byte) string {
	if sign == 'x' {
		return "y"
	}
	return "x"
}
