package views_test

import "testing"

func TestUserFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	b.post("/users/new", "email", "not an address", "role", "member", "password", password).is(422).shows(`id="f-email-error"`, "not an address").hides(password)
	b.post("/users/new", "email", "new@example.com", "role", "member", "password", "short").is(422).shows(`id="f-password-error"`)
	b.post("/users/new", "email", memberEmail, "role", "member", "password", password).is(409)
	path := b.post("/users/new", "email", "new@example.com", "name", "New One", "role", "member", "password", password).redirects("/users/usr_")
	b.get("/users?q=new").is(200).shows("new@example.com", "New One").hides(memberEmail)
	b.get("/users?q=nobody").is(200).shows("Nothing found")

	visitor := s.signIn(t, "new@example.com")
	visitor.get("/users/new").is(403).shows("You may not do this")
	b.post(path, "name", "New One", "role", "admin").redirects(path)
	visitor.get("/users/new").is(200)
	b.post(path, "name", "New One", "role", "member", "disabled", "on").redirects(path)
	b.get(path).is(200).shows("Disabled")
	visitor.get("/keys").redirects("/login")

	own := "/users/" + s.admin.ID.String()
	b.get(own).is(200).shows("You cannot change your own role")
	b.post(own, "name", "Root", "role", "member", "disabled", "on").redirects(own)
	b.get(own).is(200).shows(`value="Root"`, "Active")
}
