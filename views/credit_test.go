package views_test

import (
	"testing"
)

func TestGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	form := "/credit/grant?user=" + s.member.ID.String()
	token := b.get(form).is(200).shows(memberEmail).find(`name="token" value="([^"]+)"`)

	b.post("/credit/grant", "user", s.member.ID.String(), "token", token, "amount", "a lot", "reason", "x").is(422).
		shows(`value="a lot"`, `id="f-amount-error"`, token)
	b.post("/credit/grant", "user", s.member.ID.String(), "token", token, "amount", "-5", "reason", "x").is(422).shows(`id="f-amount-error"`)
	for range 2 { // a form that is sent twice grants once
		b.post("/credit/grant", "user", s.member.ID.String(), "token", token, "amount", "12.50", "reason", "first month").
			redirects("/credit?user=" + s.member.ID.String())
	}
	b.get("/credit?user="+s.member.ID.String()).is(200).shows("12.50 credits granted to member@example.com.", "+12.50", "first month", ">12.50</div>")

	member := s.signIn(t, memberEmail)
	member.get("/credit").is(200).shows(">12.50</div>", "first month").hides("Grant credit", "Recharge rule")
	member.post("/credit/grant", "user", s.member.ID.String(), "amount", "1000", "reason", "me").is(403)
	member.get("/credit").is(200).hides("1,000")
	b.post("/credit/grant", "user", "usr_nonsense", "amount", "1", "reason", "x").is(404)
}

func TestRechargeRule(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	user := s.member.ID.String()
	b.get("/credit?user="+user).is(200).shows("No entries yet", ">Off</div>")
	b.post("/credit/rule", "user", user, "threshold", "10", "target", "x", "dailyCap", "", "enabled", "on").is(422).
		shows(`id="f-target-error"`, `id="f-dailyCap-error"`, `value="10"`)
	b.post("/credit/rule", "user", user, "threshold", "10", "target", "5", "dailyCap", "100", "enabled", "on").is(422).shows(`id="f-target-error"`)
	b.post("/credit/rule", "user", user, "threshold", "10", "target", "50", "dailyCap", "100", "enabled", "on").redirects("/credit")
	b.get("/credit?user="+user).is(200).shows(">50.00</div>", "when below 10.00, at most 100.00 a day")
	b.get("/credit/rule?user="+user).is(200).shows(`value="50"`, "checked")
	s.signIn(t, memberEmail).post("/credit/rule", "user", user, "threshold", "10", "target", "50", "dailyCap", "100").is(403)
}
