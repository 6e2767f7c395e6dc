package views_test

import "testing"

func TestAliasFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	member.get("/models").is(200).shows(`href="/aliases"`)
	member.get("/aliases").is(200).shows("No aliases yet")
	member.get("/aliases/new").is(200).hides(`name="shared"`)
	admin.get("/aliases/new").is(200).shows(`name="shared"`)

	member.post("/aliases/new", "pattern", "gpt-5*", "target", "openai/gpt-5*").redirects("/aliases")
	list := member.get("/aliases").is(200).shows("Callers can use gpt-5* now.", "openai/gpt-5*", "Your keys")
	path := list.find(`href="(/aliases/als_[a-z0-9]+)"`)
	admin.post("/aliases/new", "pattern", "*", "target", "fallback", "shared", "on").redirects("/aliases")
	all := admin.get("/aliases").is(200).shows("All keys", memberEmail)
	shared := all.find(`href="(/aliases/als_[a-z0-9]+)">\*<`)
	member.get("/aliases").is(200).shows("All keys").hides(shared)
	member.get(shared).is(200).hides(`action="` + shared + `/delete"`)
	member.post(shared, "pattern", "*", "target", "mine").is(403)
	member.post(shared + "/delete").is(403)
	member.post("/aliases/new", "pattern", "x", "target", "y", "shared", "on").is(403)

	member.post(path, "pattern", "gpt-5*", "target", "gpt-5**").is(422).shows(`id="f-target-error"`, `value="gpt-5**"`)
	member.post(path, "pattern", "gpt-6*", "target", "openai/gpt-6*").redirects("/aliases")
	member.get("/aliases?q=gpt-6").is(200).shows("gpt-6*").hides("fallback")
	member.get("/aliases?q=gpt-5").is(200).shows("Nothing found")
	member.post("/aliases/new", "pattern", "gpt-6*", "target", "x").is(409).shows(`id="f-pattern-error"`, "There is an alias of this pattern already")
	member.post("/aliases/new", "pattern", "", "target", "").is(422).shows(`id="f-pattern-error"`)

	own := s.signIn(t, adminEmail)
	own.post("/aliases/new", "pattern", "private", "target", "x").redirects("/aliases")
	hidden := own.get("/aliases").find(`href="(/aliases/als_[a-z0-9]+)">private<`)
	member.get(hidden).is(404)
	member.post(hidden + "/delete").is(404)

	member.post(path + "/delete").redirects("/aliases")
	member.get(path).is(404)
}
