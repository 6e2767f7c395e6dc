package views_test

import (
	"strings"
	"testing"

	"aihigress/internal/apikey"
)

func TestKeyFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, memberEmail)
	b.get("/keys").is(200).shows("No API keys yet")

	made := b.post("/keys/new", "name", "production", "requestsPerMinute", "600", "models", "large\n\n small \n").is(200)
	text := made.find(`<code id="key-secret"[^>]*>([^<]+)</code>`)
	if _, err := apikey.Parse(text); err != nil {
		t.Fatalf("the secret %q is not one: %v", text, err)
	}
	made.shows("cannot be shown again", `data-copy="key-secret"`, "https://gateway.example.com/v1/chat/completions", "&#34;model&#34;:&#34;large&#34;")

	list := b.get("/keys").is(200).shows("production", "600 requests/min", "Active").hides(text)
	path := list.find(`href="(/keys/key_[a-z0-9]+)"`)
	b.get(path).is(200).shows("large\nsmall", `value="600"`).hides(text)

	b.post(path, "name", "production", "strategy", "cost", "timeoutMs", "1500").redirects(path)
	b.get(path).is(200).shows(`<option value="cost" selected>`, `value="1500"`)
	b.post(path, "name", "production", "strategy", "luck", "timeoutMs", "soon").is(422).shows(`id="f-timeoutMs-error"`, `value="soon"`)
	b.post(path, "name", "production", "strategy", "luck").is(422).shows(`id="f-strategy-error"`)
	b.post(path, "name", "production 2", "requestsPerMinute", "60", "models", "large").redirects(path)
	b.get(path).is(200).shows("Saved.", "production 2", `value="60"`).hides("small")
	b.get(path).is(200).hides("Saved.")

	b.post(path + "/revoke").redirects("/keys")
	b.get("/keys").is(200).shows("The key is revoked.").hides("production 2")
	b.get("/keys?revoked=on").is(200).shows("production 2", "Revoked")
	b.get(path).is(200).hides(`action="` + path + `"`)
	b.post(path, "name", "again").is(409)
}

func TestKeyFormComesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, memberEmail)
	back := b.post("/keys/new", "name", "production", "requestsPerMinute", "-1", "tokensPerMinute", "99999999999999999999", "expiresAt", "soon", "ipRanges", "10.0.0.0/8").is(422)
	back.shows(`value="production"`, `value="-1"`, "10.0.0.0/8", "Enter a whole number above zero", "Enter a date.", `aria-describedby="f-expiresAt-error f-expiresAt-hint"`)
	if n := strings.Count(back.body, `aria-invalid="true"`); n != 3 {
		t.Errorf("%d fields are marked as invalid, want 3", n)
	}
	b.post("/keys/new", "name", "").is(422).shows(`id="f-name-error"`)
	b.post("/keys/new", "name", "x", "ipRanges", "not an address").is(422).shows(`id="f-ipRanges-error"`)
	b.post("/keys/new", "name", "x", "expiresAt", "2001-01-01").is(422).shows(`id="f-expiresAt-error"`)
	b.get("/keys").is(200).shows("No API keys yet")
}

func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	admin.post("/keys/new", "name", "the admin's").is(200)
	path := admin.get("/keys").find(`href="(/keys/key_[a-z0-9]+)"`)
	member.get("/keys").is(200).hides("the admin")
	member.get(path).is(404)
	member.post(path, "name", "mine now").is(404)
	member.post(path + "/revoke").is(404)
	admin.get(path).is(200).shows("the admin", "Active")

	member.post("/keys/new", "name", "the member's").is(200)
	admin.get("/keys").is(200).shows(memberEmail, "the member")
}
