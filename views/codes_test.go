package views_test

import (
	"regexp"
	"strings"
	"testing"
)

func TestRedeemCodes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	b.get("/credit").is(200).shows("/credit/codes", "/credit/redeem")
	member.get("/credit").is(200).shows("/credit/redeem").hides("/credit/codes")
	member.get("/credit/codes").is(403)
	member.post("/credit/codes", "label", "l", "amount", "1", "count", "1").is(403)

	b.get("/credit/codes").is(200).shows("No codes yet")
	b.post("/credit/codes", "label", "spring", "amount", "x", "count", "two", "expiresAt", "soon", "validDays", "long").is(422).
		shows(`id="f-amount-error"`, `id="f-count-error"`, `id="f-expiresAt-error"`, `id="f-validDays-error"`, `value="long"`, `value="spring"`)
	b.post("/credit/codes", "label", "", "amount", "1", "count", "1").is(422).shows(`id="f-label-error"`)
	b.post("/credit/codes", "label", "spring", "amount", "1", "count", "1001").is(422).shows(`id="f-count-error"`)
	b.post("/credit/codes", "label", "spring", "amount", "1", "count", "99999999999999999999").is(422).shows("A batch has 1 to 1000 codes.")
	b.post("/credit/codes", "label", "spring", "amount", "1", "count", "1", "validDays", "99999999999").is(422).shows("Credit is good for 1 to 36500 days, or without end.")
	b.post("/credit/codes", "label", "a\x00", "amount", "1", "count", "1").is(422).shows("This is not valid text.")
	made := b.post("/credit/codes", "label", "spring", "amount", "2.5", "count", "3", "expiresAt", "2999-12-31", "validDays", "30").is(200).shows("3 codes of 2.50 credits")
	codes := regexp.MustCompile(`[0-9A-Z]{5}(-[0-9A-Z]{5}){3}`).FindAllString(made.body, -1)
	if len(codes) < 3 {
		t.Fatalf("the codes %q", codes)
	}
	b.get("/credit/codes").is(200).shows("spring", "0 / 3", "Active").hides(codes[0], codes[1], codes[2])

	member.get("/credit/redeem").is(200)
	member.post("/credit/redeem", "code", " "+strings.ToLower(codes[0])).redirects("/credit")
	member.get("/credit").is(200).shows("The code gave you 2.50 credits.", "+2.50", "spring", ">2.50</div>")
	member.get("/credit").is(200).shows("Credit that expires")
	member.post("/credit/redeem", "code", codes[0]).is(422).shows("This code cannot be redeemed.")
	b.get("/credit/codes").is(200).shows("1 / 3")
	batch := b.get("/credit/codes").find(`action="(/credit/codes/rdb_[^"]+/revoke)"`)
	member.post(batch).is(403)
	b.post(batch).redirects("/credit/codes")
	b.get("/credit/codes").is(200).shows("Revoked")
	member.post("/credit/redeem", "code", codes[1]).is(422).shows("This code cannot be redeemed.")
	for range 10 {
		member.post("/credit/redeem", "code", "nonsense")
	}
	member.post("/credit/redeem", "code", "nonsense").is(429)
}
