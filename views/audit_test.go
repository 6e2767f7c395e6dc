package views_test

import "testing"

func TestAuditLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	made := b.post("/keys/new", "name", "production").is(200)
	secret := made.find(`<code id="key-secret"[^>]*>([^<]+)</code>`)
	b.get("/audit").is(200).shows("key.create", adminEmail, "production", "127.0.0.1").hides(secret)
	b.get("/audit?action=key.create").is(200).shows("key.create").hides("user.create")
	b.get("/audit?action=nothing.like.it").is(200).shows("Nothing found")
}
