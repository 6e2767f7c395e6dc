package views_test

import "testing"

func TestSignOutAnotherDevice(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	phone := s.browser(t)
	phone.header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1")
	phone.post("/login", "email", memberEmail, "password", password).redirects("/")
	desk := s.signIn(t, memberEmail)
	path := desk.get("/sessions").is(200).shows("Safari on iPhone", "This device").find(`action="(/sessions/[a-z0-9_]+/revoke)"`)

	s.signIn(t, adminEmail).get("/sessions").is(200).hides("iPhone")
	phone.get("/keys").is(200)
	desk.post(path).redirects("/sessions")
	phone.get("/keys").redirects("/login")
	desk.get("/sessions").is(200).shows("That device is signed out.").hides("iPhone")
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := s.signIn(t, memberEmail)
	b := s.signIn(t, memberEmail)
	b.post("/sessions/password", "currentPassword", "wrong", "newPassword", "another long password").is(422).shows(`id="f-currentPassword-error"`)
	b.post("/sessions/password", "currentPassword", password, "newPassword", "short").is(422).shows(`id="f-newPassword-error"`)
	b.post("/sessions/password", "currentPassword", password, "newPassword", "another long password").redirects("/sessions")
	other.get("/keys").redirects("/login")
	b.get("/keys").is(200)
	s.browser(t).post("/login", "email", memberEmail, "password", password).is(422)
	s.browser(t).post("/login", "email", memberEmail, "password", "another long password").redirects("/")
}
