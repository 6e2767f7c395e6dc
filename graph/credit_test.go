package graph

import (
	"testing"
	"time"
)

func TestCredit(t *testing.T) {
	t.Parallel()
	h := open(t)
	const grant = `mutation($u: ID!, $a: Amount!, $k: String!) { grantCredit(input: {userId: $u, amount: $a, reason: "welcome", idempotencyKey: $k}) {
		entry { id kind amount reason requestId createdAt } account { balance reserved available user { email } } userErrors { code path } } }`
	in := map[string]any{"u": h.member.ID.String(), "a": "12.5", "k": "one"}
	given := h.data(h.admin.token, grant, in).Get("grantCredit")
	h.same("the entry", given.Get("entry.amount"), "12.5")
	h.same("its kind", given.Get("entry.kind"), "GRANT")
	h.same("the account", given.Get("account"), `{"balance":"12.5","reserved":"0","available":"12.5","user":{"email":"member@example.com"}}`)
	again := h.data(h.admin.token, grant, in).Get("grantCredit")
	h.same("the entry of the same key", again.Get("entry.id"), given.Get("entry.id"))
	h.same("the balance", again.Get("account.balance"), "12.5")
	in["a"] = "13"
	h.same("the same key with another amount", h.refused(h.admin.token, grant, in), "CONFLICT idempotencyKey")
	in["a"], in["k"] = "-1", "two"
	h.same("less than nothing", h.refused(h.admin.token, grant, in), "INVALID amount")
	in["a"] = "1.0000000001"
	h.same("too many places", h.failed(h.admin.token, grant, in), "BAD_USER_INPUT")
	in["a"] = "1"
	h.same("as member", h.failed(h.member.token, grant, in), "FORBIDDEN")

	const account = `query($u: ID) { creditAccount(userId: $u) { balance rechargeRule { threshold target dailyCap enabled }
		entries(first: 10) { totalCount nodes { amount } edges { node { amount } } pageInfo { hasNextPage } } } }`
	own := h.data(h.member.token, account, nil).Get("creditAccount")
	h.same("the viewer's balance", own.Get("balance"), "12.5")
	h.same("the viewer's entries", own.Get("entries.nodes"), `[{"amount":"12.5"}]`)
	h.same("another's account", h.data(h.member.token, account, map[string]any{"u": h.admin.ID.String()}).Get("creditAccount"), "")
	h.same("another's account as admin", h.data(h.admin.token, account, map[string]any{"u": h.member.ID.String()}).Get("creditAccount.balance"), "12.5")
	h.same("a malformed id", h.failed(h.admin.token, account, map[string]any{"u": "x"}), "BAD_USER_INPUT")
	h.same("nobody's account", h.failed("", account, nil), "UNAUTHENTICATED")

	const rule = `mutation($u: ID!, $t: Amount!) { setRechargeRule(input: {userId: $u, threshold: "1", target: $t, dailyCap: "20"}) {
		account { rechargeRule { threshold target dailyCap enabled } } userErrors { code path } } }`
	in = map[string]any{"u": h.member.ID.String(), "t": "10"}
	h.same("the rule", h.data(h.admin.token, rule, in).Get("setRechargeRule.account.rechargeRule"), `{"threshold":"1","target":"10","dailyCap":"20","enabled":true}`)
	in["t"] = "1"
	h.same("a target that is no target", h.refused(h.admin.token, rule, in), "INVALID target")
}

func TestExpiringCredit(t *testing.T) {
	t.Parallel()
	h := open(t)
	const grant = `mutation($u: ID!, $at: Time) { grantCredit(input: {userId: $u, amount: "5", reason: "trial", idempotencyKey: "one", expiresAt: $at}) {
		entry { id } account { expiring { entryId kind amount left expired reason createdAt expiresAt } } userErrors { code path } } }`
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	in := map[string]any{"u": h.member.ID.String(), "at": until}
	given := h.data(h.admin.token, grant, in).Get("grantCredit")
	for field, want := range map[string]string{
		"entryId": given.Get("entry.id").String(), "kind": "GRANT", "amount": "5", "left": "5", "expired": "0", "reason": "trial", "expiresAt": until,
	} {
		h.same(field, given.Get("account.expiring.0."+field), want)
	}
	in["at"] = nil
	h.same("the same key without an end", h.refused(h.admin.token, grant, in), "CONFLICT idempotencyKey")
	in["at"] = "2020-01-01T00:00:00Z"
	h.same("the same key with another end", h.refused(h.admin.token, grant, in), "CONFLICT idempotencyKey")
	in["u"] = h.admin.ID.String()
	h.same("an end that has been", h.refused(h.admin.token, grant, in), "INVALID expiresAt")
	h.same("the viewer's", h.data(h.member.token, `{ creditAccount { expiring { left } } }`, nil).Get("creditAccount.expiring"), `[{"left":"5"}]`)
}

func TestSignUpCredit(t *testing.T) {
	t.Parallel()
	h := open(t)
	const set = `mutation($a: Amount, $d: Int) { setSignUpCredit(input: {amount: $a, validDays: $d}) { signUpCredit { amount validDays } userErrors { code path } } }`
	const get = `{ signUpCredit { amount validDays updatedAt } }`
	h.same("by default", h.data(h.admin.token, get, nil).Get("signUpCredit"), "")
	h.same("set", h.data(h.admin.token, set, map[string]any{"a": "5", "d": 30}).Get("setSignUpCredit.signUpCredit"), `{"amount":"5","validDays":30}`)
	h.same("read", h.data(h.admin.token, get, nil).Get("signUpCredit.amount"), "5")
	made := h.data(h.admin.token, `mutation { createUser(input: {email: "new@example.com", role: MEMBER, password: "correct horse battery"}) { user { id } } }`, nil)
	user := map[string]any{"u": made.Get("createUser.user.id").String()}
	h.same("a new account", h.data(h.admin.token, `query($u: ID!) { creditAccount(userId: $u) { balance entries { nodes { kind reason } } expiring { left } } }`, user).
		Get("creditAccount"), `{"balance":"5","entries":{"nodes":[{"kind":"GRANT","reason":"sign-up"}]},"expiring":[{"left":"5"}]}`)
	h.same("negative", h.refused(h.admin.token, set, map[string]any{"a": "-5"}), "INVALID amount")
	h.same("no days", h.refused(h.admin.token, set, map[string]any{"a": "5", "d": 0}), "INVALID validDays")
	h.same("more days than there are", h.failed(h.admin.token, set, map[string]any{"a": "5", "d": 3_000_000_000}), "BAD_USER_INPUT")
	h.same("as member", h.failed(h.member.token, set, map[string]any{"a": "5"}), "FORBIDDEN")
	h.same("read as member", h.failed(h.member.token, get, nil), "FORBIDDEN")
	h.same("ended", h.data(h.admin.token, set, nil).Get("setSignUpCredit.signUpCredit"), "")
}

func TestPausedRecharge(t *testing.T) {
	t.Parallel()
	h := open(t)
	user := map[string]any{"u": h.member.ID.String()}
	h.data(h.admin.token, `mutation($u: ID!) { setRechargeRule(input: {userId: $u, threshold: "1", target: "2", dailyCap: "20"}) { userErrors { code } } }`, user)
	const rule = `{ creditAccount { rechargeRule { enabled paused { at reason } } } }`
	h.same("at first", h.data(h.member.token, rule, nil).Get("creditAccount.rechargeRule"), `{"enabled":true,"paused":null}`)
	for reason, want := range map[string]string{"pace": "PACE", "cap": "CAP"} {
		if _, err := h.pool.Exec(t.Context(), `UPDATE recharge_rules SET paused_at = '2026-01-02 03:04:05Z', pause_reason = $1`, reason); err != nil {
			t.Fatal(err)
		}
		h.same("paused", h.data(h.member.token, rule, nil).Get("creditAccount.rechargeRule.paused"), `{"at":"2026-01-02T03:04:05Z","reason":"`+want+`"}`)
		const resume = `mutation($u: ID!) { resumeRechargeRule(input: {userId: $u}) { account { rechargeRule { paused { reason } } } userErrors { code } } }`
		h.same("as member", h.failed(h.member.token, resume, user), "FORBIDDEN")
		h.same("resumed", h.data(h.admin.token, resume, user).Get("resumeRechargeRule.account.rechargeRule"), `{"paused":null}`)
	}
}

func TestAdjustCredit(t *testing.T) {
	t.Parallel()
	h := open(t)
	const adjust = `mutation($u: ID!, $a: Amount!, $r: String!, $k: String!) { adjustCredit(input: {userId: $u, amount: $a, reason: $r, idempotencyKey: $k}) {
		entry { kind amount reason } account { balance } userErrors { code message path } } }`
	in := map[string]any{"u": h.member.ID.String(), "a": "12.5", "r": "a missed grant", "k": "one"}
	h.same("more", h.data(h.admin.token, adjust, in).Get("adjustCredit.entry"), `{"kind":"ADJUSTMENT","amount":"12.5","reason":"a missed grant"}`)
	in["a"], in["k"] = "-2.5", "two"
	h.same("less", h.data(h.admin.token, adjust, in).Get("adjustCredit.account.balance"), "10")
	h.same("sent twice", h.data(h.admin.token, adjust, in).Get("adjustCredit.account.balance"), "10")
	for name, change := range map[string]struct{ field, value, want string }{
		"more than there is": {"a", "-10.000000001", "CONFLICT amount"},
		"nothing":            {"a", "0", "INVALID amount"},
		"absurd":             {"a", "1000000.000000001", "INVALID amount"},
		"absurdly little":    {"a", "-9223372036.854775808", "INVALID amount"},
		"without a reason":   {"r", "", "INVALID reason"},
	} {
		in := map[string]any{"u": h.member.ID.String(), "a": "-1", "r": "r", "k": name}
		in[change.field] = change.value
		h.same(name, h.refused(h.admin.token, adjust, in), change.want)
	}
	for _, text := range []string{"9223372036.854775808", "1e3", "NaN", "-", "1.", ".5", "+1", "0x1"} {
		in["a"] = text
		h.same("the amount "+text, h.failed(h.admin.token, adjust, in), "BAD_USER_INPUT")
	}
	in["a"] = "1"
	h.same("as member", h.failed(h.member.token, adjust, in), "FORBIDDEN")
}

func TestRefundRequest(t *testing.T) {
	t.Parallel()
	h := open(t)
	key, _ := h.key(h.member)
	e := h.logged(h.member, key, nil) // costs 0.01
	const refund = `mutation($q: ID!, $a: Amount, $r: String!) { refundRequest(input: {requestId: $q, amount: $a, reason: $r}) {
		entry { kind amount reason requestId } account { balance } userErrors { code path } } }`
	in := map[string]any{"q": e.ID.String(), "a": "0.010000001", "r": "a broken answer"}
	h.same("more than was charged", h.refused(h.admin.token, refund, in), "INVALID amount")
	in["a"] = "0"
	h.same("nothing", h.refused(h.admin.token, refund, in), "INVALID amount")
	delete(in, "a")
	h.same("as member", h.failed(h.member.token, refund, in), "FORBIDDEN")
	for range 2 {
		given := h.data(h.admin.token, refund, in).Get("refundRequest")
		h.same("the entry", given.Get("entry"), `{"kind":"REFUND","amount":"0.01","reason":"a broken answer","requestId":"`+e.ID.String()+`"}`)
		h.same("the balance", given.Get("account.balance"), "0")
	}
	in["r"] = "once more"
	h.same("twice", h.refused(h.admin.token, refund, in), "CONFLICT")
	in["q"] = key.ID.String()
	h.same("no request's id", h.failed(h.admin.token, refund, in), "BAD_USER_INPUT")
}
