package views_test

import (
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
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

func TestGrantThatExpires(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	user := s.member.ID.String()
	b.get("/credit?user=" + user).is(200).hides("Credit that expires")
	b.post("/credit/grant", "user", user, "token", "1", "amount", "x", "reason", "trial", "expiresAt", "soon").is(422).
		shows(`id="f-amount-error"`, `id="f-expiresAt-error"`, `value="soon"`)
	b.post("/credit/grant", "user", user, "token", "1", "amount", "5", "reason", "trial", "expiresAt", "2020-01-01").is(422).shows("Credit expires in the future")
	b.post("/credit/grant", "user", user, "token", "1", "amount", "5", "reason", "trial", "expiresAt", "2099-12-30").redirects("/credit")
	s.signIn(t, memberEmail).get("/credit").is(200).shows("Credit that expires", "trial", "2099-12-31 00:00:00 UTC", `data-label="Left" class="num">5.00<`)
}

func TestPausedRecharge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	user := s.member.ID.String()
	b.post("/credit/rule", "user", user, "threshold", "10", "target", "50", "dailyCap", "100", "enabled", "on").redirects("/credit")
	for reason, want := range map[string]string{"pace": "It recharged six times within an hour.", "cap": "It used up its daily cap on three days in a row."} {
		if _, err := s.pool.Exec(t.Context(), `UPDATE recharge_rules SET paused_at = now(), pause_reason = $1`, reason); err != nil {
			t.Fatal(err)
		}
		member.get("/credit").is(200).shows(">Paused</div>", want).hides("Resume it")
		member.post("/credit/rule/resume", "user", user).is(403)
		b.get("/credit?user="+user).is(200).shows(want, "Resume it")
		b.post("/credit/rule/resume", "user", user).redirects("/credit?user=" + user)
		b.get("/credit?user="+user).is(200).shows("The automatic recharge goes on.").hides(want, "Resume it")
	}
}

func TestSignUpCredit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	member.get("/users/sign-up").is(403)
	member.get("/users").is(200).hides("/users/sign-up", "/users/new")
	member.post("/users/sign-up", "amount", "5").is(403)
	b.get("/users").is(200).shows("/users/sign-up")
	b.get("/users/sign-up").is(200).shows(`name="amount"`).hides(`value="5"`)
	b.post("/users/sign-up", "amount", "much", "validDays", "long").is(422).shows(`id="f-amount-error"`, `id="f-validDays-error"`, `value="much"`)
	b.post("/users/sign-up", "amount", "-5", "validDays", "").is(422).shows(`id="f-amount-error"`)
	b.post("/users/sign-up", "amount", "5", "validDays", "0").is(422).shows(`id="f-validDays-error"`)
	b.post("/users/sign-up", "amount", "5", "validDays", "30").redirects("/users")
	b.get("/users/sign-up").is(200).shows(`value="5"`, `value="30"`)
	b.post("/users/new", "email", "new@example.com", "name", "New", "role", "member", "password", password).redirects("/users")
	given := s.signIn(t, "new@example.com")
	given.get("/credit").is(200).shows("Credit that expires", "Sign-up credit", ">5.00</div>")
	given.post("/preferences", "lang", "zh-CN", "next", "/credit").redirects("/credit")
	given.get("/credit").is(200).shows("注册赠送额度").hides("ign-up")
	member.get("/credit").is(200).hides("Sign-up credit")
	b.post("/users/sign-up", "amount", "", "validDays", "").redirects("/users")
	b.get("/users/sign-up").is(200).hides(`value="5"`)
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

func TestAdjust(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	user := s.member.ID.String()
	b.post("/credit/grant", "user", user, "token", "1", "amount", "10", "reason", "x").redirects("/credit")
	b.get("/credit?user=" + user).is(200).shows("Adjust balance")
	b.get("/credit/adjust?user=" + user).is(200).shows("A minus takes credit away")
	b.post("/credit/adjust", "user", user, "token", "2", "amount", "-10.5", "reason", "too much").is(409).shows(`id="f-amount-error"`, "Only 10 credits are available", `value="-10.5"`)
	b.post("/credit/adjust", "user", user, "token", "2", "amount", "-1", "reason", "").is(422).shows(`id="f-reason-error"`)
	b.post("/credit/adjust", "user", user, "token", "2", "amount", "-2.5", "reason", "too much").redirects("/credit")
	b.get("/credit?user="+user).is(200).shows("The balance of member@example.com was adjusted by -2.50 credits.", "Adjustment", "-2.50", ">7.50</div>")

	member := s.signIn(t, memberEmail)
	member.get("/credit").is(200).hides("Adjust balance")
	member.get("/credit/adjust").is(403)
	member.post("/credit/adjust", "user", user, "token", "3", "amount", "5", "reason", "me").is(403)
}

func TestRefund(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	req := s.logged(t, s.member.ID, nil) // charged 0.01234
	page := "/requests/" + req.ID.String() + "/refund"
	b.get("/requests/" + req.ID.String()).is(200).shows(page)
	b.get(page).is(200).shows(`value="0.01234"`)
	b.post(page, "amount", "0.01", "reason", "broken").is(409).shows("Nothing has been charged for this request.")

	ctx := authz.With(t.Context(), authz.Job("test"))
	owner, err := s.ledger.Account(ctx, s.member.ID)
	if err != nil {
		t.Fatal(err)
	}
	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := s.ledger.BookTx(ctx, tx, req.NodeID, []credit.Charge{{Account: owner.ID, Request: req.ID, Amount: *req.Charge, Reason: "large", At: req.StartedAt}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.post(page, "amount", "x", "reason", "broken").is(422).shows(`id="f-amount-error"`, `value="broken"`)
	b.post(page, "amount", "0.02", "reason", "broken").is(422).shows("at most 0.01234 credits")
	b.post(page, "amount", "0.01", "reason", "").is(422).shows(`id="f-reason-error"`)
	b.post(page, "amount", "0.01", "reason", "broken").redirects("/credit?user=" + s.member.ID.String())
	b.get("/credit?user="+s.member.ID.String()).is(200).shows("0.01 credits refunded.", "Refund", "+0.01", "broken", "/requests/"+req.ID.String())
	b.post(page, "amount", "0.00234", "reason", "the rest").is(409).shows("This request has been refunded already, with 0.01 credits.")

	member := s.signIn(t, memberEmail)
	member.get("/requests/" + req.ID.String()).is(200).hides("Refund")
	member.get(page).is(403)
	member.post(page, "amount", "0.01", "reason", "me").is(403)
}
