package graph

import (
	"testing"
	"time"

	"aihigress/internal/credit"
)

func TestKeyBudget(t *testing.T) {
	t.Parallel()
	h := open(t)
	const create = `mutation($b: BudgetInput!) { createApiKey(input: {name: "app", limits: {budget: $b}}) { secret userErrors { code path } apiKey {
		id limits { budget { amount window } } spend { amount window spent resetsAt } } } }`
	for text, want := range map[string]string{"0": "INVALID limits.budget.amount", "-1": "INVALID limits.budget.amount", "1000000.000000001": "INVALID limits.budget.amount"} {
		h.same("a budget of "+text, h.refused(h.member.token, create, map[string]any{"b": map[string]any{"amount": text, "window": "DAY"}}), want)
	}
	made := h.data(h.member.token, create, map[string]any{"b": map[string]any{"amount": "2.5", "window": "DAY"}}).Get("createApiKey.apiKey")
	h.same("the limit", made.Get("limits.budget"), `{"amount":"2.5","window":"DAY"}`)
	h.same("of which was spent", made.Get("spend.spent"), "0")
	h.same("until", made.Get("spend.resetsAt"), credit.Day.End(time.Now()).Format(time.RFC3339))

	const update = `mutation($in: UpdateApiKeyInput!) { updateApiKey(input: $in) { userErrors { code path } apiKey { limits { concurrency budget { amount window } } spend { spent } } } }`
	keyID := made.Get("id").String()
	change := func(limits map[string]any) string {
		return h.data(h.member.token, update, map[string]any{"in": map[string]any{"id": keyID, "limits": limits}}).Get("updateApiKey.apiKey").Raw
	}
	h.same("another", change(map[string]any{"budget": map[string]any{"amount": "10", "window": "MONTH"}}), `{"limits":{"concurrency":null,"budget":{"amount":"10","window":"MONTH"}},"spend":{"spent":"0"}}`)
	h.same("none", change(map[string]any{"concurrency": 3}), `{"limits":{"concurrency":3,"budget":null},"spend":null}`)
}

func TestSetBudget(t *testing.T) {
	t.Parallel()
	h := open(t)
	const set = `mutation($u: ID!, $w: BudgetWindow!, $a: Amount) { setBudget(input: {userId: $u, window: $w, amount: $a}) {
		account { budgets { amount window spent resetsAt } } userErrors { code path } } }`
	in := map[string]any{"u": h.member.ID.String(), "w": "MONTH", "a": "20"}
	h.same("the account", h.data(h.admin.token, set, in).Get("setBudget.account.budgets"),
		`[{"amount":"20","window":"MONTH","spent":"0","resetsAt":"`+credit.Month.End(time.Now()).Format(time.RFC3339)+`"}]`)
	in["a"] = "0"
	h.same("nothing", h.refused(h.admin.token, set, in), "INVALID amount")
	in["w"], in["a"] = "DAY", "1"
	h.same("both", h.data(h.admin.token, set, in).Get("setBudget.account.budgets.#.window"), `["DAY","MONTH"]`)
	h.same("as the member", h.failed(h.member.token, set, in), "FORBIDDEN")
	h.same("what the member sees", h.data(h.member.token, `{ creditAccount { budgets { amount window } } }`, nil).Get("creditAccount.budgets"),
		`[{"amount":"1","window":"DAY"},{"amount":"20","window":"MONTH"}]`)
	delete(in, "a")
	h.same("one ended", h.data(h.admin.token, set, in).Get("setBudget.account.budgets.#.window"), `["MONTH"]`)
}
