package graph

import "testing"

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
