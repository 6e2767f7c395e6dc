package views_test

import (
	"testing"

	"aihigress/internal/limit"
	"aihigress/internal/quota"
)

func TestLimitFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	member.get("/").is(200).hides(`href="/limits"`)
	for _, path := range []string{"/limits", "/limits/new", "/limits?subject=user&of=" + s.member.ID.String()} {
		member.get(path).is(403)
	}
	member.post("/limits/new", "subject", "model", "of", "m", "dimension", "requests", "window", "minute", "amount", "5").is(403)
	admin.get("/").is(200).shows(`href="/limits"`)
	admin.get("/limits").is(200).shows("No limits yet")

	admin.post("/limits/new", "subject", "model", "of", "large", "dimension", "requests", "window", "minute", "amount", "5", "redisAway", "closed").redirects("/limits")
	list := admin.get("/limits").is(200).shows("large is limited now.", "5 requests a minute", "0 of 5", "Closed")
	path := list.find(`href="(/limits/lim_[a-z0-9]+)"`)
	admin.post("/limits/new", "subject", "user", "of", memberEmail, "dimension", "spend", "window", "month", "amount", "12.5", "redisAway", "closed").redirects("/limits")
	admin.post("/limits/new", "subject", "role", "of", "member", "eachUser", "on", "dimension", "concurrency", "window", "minute", "amount", "2").redirects("/limits")
	admin.get("/limits").is(200).shows("12.50 credits a month", memberEmail, "Role, each user", "2 calls at the same time")
	admin.get("/limits?subject=user").is(200).shows(memberEmail).hides("5 requests")
	admin.get("/limits?subject=user&of="+s.member.ID.String()).is(200).shows(memberEmail, `href="/limits/new?of=`+s.member.ID.String()+`&amp;subject=user"`).hides("5 requests")
	admin.get("/limits?subject=model&of=" + s.member.ID.String()).is(404)
	admin.get("/limits?q=LARGE").is(200).shows("5 requests a minute").hides(memberEmail)
	admin.get("/limits?q=nothing").is(200).shows("Nothing found")
	admin.get("/limits/new?subject=user&of="+s.member.ID.String()).is(200).shows(`value="`+memberEmail+`"`, `value="user" selected`)
	admin.get("/limits?subject=model&q=large").is(200).shows(`href="/limits/new?of=large&amp;subject=model"`, ">Show all</a>")
	admin.get("/limits").is(200).hides(">Show all</a>")
	admin.get("/limits?q=%00").is(422).shows("This is not valid text.")
	admin.post("/limits/new", "subject", "user", "of", "a\x00b", "dimension", "requests", "window", "minute", "amount", "5").is(422).shows("This is not valid text.")
	admin.post("/limits/new", "subject", "model", "of", "m", "dimension", "requests", "window", "minute", "amount", "99999999999999999999").is(422).
		shows("A limit is above 0 and at most ", `value="99999999999999999999"`)
	admin.get("/users/" + s.member.ID.String()).is(200).shows("/limits?subject=user&amp;of=" + s.member.ID.String())

	for _, tt := range []struct{ field, subject, of, dimension, window, amount string }{
		{"amount", "model", "m", "requests", "minute", "many"},
		{"amount", "model", "m", "requests", "minute", "-1"},
		{"amount", "model", "m", "spend", "day", "0"},
		{"amount", "model", "m", "spend", "day", "x"},
		{"window", "model", "m", "spend", "minute", "1"},
		{"window", "model", "m", "requests", "month", "1"},
		{"of", "user", "nobody@example.com", "requests", "minute", "1"},
		{"of", "tag", "team", "requests", "minute", "1"},
		{"subject", "planet", "x", "requests", "minute", "1"},
		{"dimension", "model", "x", "words", "minute", "1"},
	} {
		admin.post("/limits/new", "subject", tt.subject, "of", tt.of, "dimension", tt.dimension, "window", tt.window, "amount", tt.amount).is(422).
			shows(`id="f-`+tt.field+`-error"`, `value="`+tt.amount+`"`)
	}
	admin.post("/limits/new", "subject", "model", "of", "large", "dimension", "requests", "window", "minute", "amount", "9").is(409).shows("There is such a limit already")
	admin.post("/limits/new", "subject", "user", "of", memberEmail, "eachUser", "on", "dimension", "requests", "window", "minute", "amount", "9").is(422).shows(`id="f-eachUser-error"`)

	rate := limit.Limit{What: limit.Requests, Amount: 5, Window: 60_000_000_000}
	for range 5 {
		claim := limit.Claim{Subject: quota.Limit{Subject: quota.Model, SubjectName: "large"}.Of(), Limits: []limit.Limit{rate}}
		if _, err := s.limiter.Take(t.Context(), limit.Use{}, claim); err != nil {
			t.Fatal(err)
		}
	}
	admin.get(path).is(200).shows("5 of 5", "Used up")
	admin.post(path, "amount", "0", "redisAway", "open").is(422).shows(`id="f-amount-error"`)
	admin.post(path, "amount", "x", "redisAway", "open").is(422).shows(`id="f-amount-error"`)
	admin.post(path, "amount", "8", "redisAway", "open").redirects("/limits")
	admin.get(path).is(200).shows("8 requests a minute", "5 of 8").hides("Used up")
	spend := admin.get("/limits?subject=user").find(`href="(/limits/lim_[a-z0-9]+)"`)
	admin.get(spend).is(200).shows("0.00 of 12.50 credits").hides(`name="redisAway"`)
	admin.post(spend, "amount", "0.5").redirects("/limits")
	admin.get(spend).is(200).shows("0.00 of 0.50 credits")
	for _, act := range []func(){
		func() { member.get(path).is(403) },
		func() { member.post(path, "amount", "9").is(403) },
		func() { member.post(path + "/delete").is(403) },
	} {
		act()
	}
	admin.post(path + "/delete").redirects("/limits")
	admin.get(path).is(404)
}
