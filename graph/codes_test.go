package graph

import (
	"testing"
	"time"
)

func TestRedeemCodes(t *testing.T) {
	t.Parallel()
	h := open(t)
	const create = `mutation($in: CreateRedeemCodesInput!) { createRedeemCodes(input: $in) { codes userErrors { code path }
		batch { id label amount codes redeemed expiresAt validDays revokedAt createdAt } } }`
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	in := map[string]any{"label": "spring", "amount": "2.5", "count": 2, "expiresAt": until, "validDays": 30}
	h.same("as member", h.failed(h.member.token, create, map[string]any{"in": in}), "FORBIDDEN")
	made := h.data(h.admin.token, create, map[string]any{"in": in}).Get("createRedeemCodes")
	for field, want := range map[string]string{"label": "spring", "amount": "2.5", "codes": "2", "redeemed": "0", "expiresAt": until, "validDays": "30", "revokedAt": ""} {
		h.same(field, made.Get("batch."+field), want)
	}
	for field, value := range map[string]any{"label": "", "amount": "-1", "count": 1001, "expiresAt": "2020-01-01T00:00:00Z", "validDays": 0} {
		bad := map[string]any{"label": "l", "amount": "1", "count": 1}
		bad[field] = value
		h.same("a bad "+field, h.refused(h.admin.token, create, map[string]any{"in": bad}), "INVALID "+field)
	}

	const redeem = `mutation($c: String!) { redeemCode(input: {code: $c}) { entry { kind amount reason } account { balance } userErrors { code path } } }`
	code := map[string]any{"c": made.Get("codes.0").String()}
	given := h.data(h.member.token, redeem, code).Get("redeemCode")
	h.same("the entry", given.Get("entry"), `{"kind":"REDEEM","amount":"2.5","reason":"spring"}`)
	h.same("the balance", given.Get("account.balance"), "2.5")
	h.same("twice", h.refused(h.member.token, redeem, code), "INVALID code")
	h.same("by another", h.refused(h.admin.token, redeem, code), "INVALID code")
	h.same("as nobody", h.failed("", redeem, code), "UNAUTHENTICATED")

	const list = `{ redeemBatches { id label redeemed } }`
	batch := made.Get("batch.id").String()
	h.same("the list", h.data(h.admin.token, list, nil).Get("redeemBatches"), `[{"id":"`+batch+`","label":"spring","redeemed":1}]`)
	h.same("the list for a member", h.failed(h.member.token, list, nil), "FORBIDDEN")
	const revoke = `mutation($id: ID!) { revokeRedeemCodes(input: {id: $id}) { batch { redeemed revokedAt } userErrors { code } } }`
	h.same("revoked", h.data(h.admin.token, revoke, map[string]any{"id": batch}).Get("revokeRedeemCodes.batch.redeemed"), "1")
	h.same("a revoked one", h.refused(h.member.token, redeem, map[string]any{"c": made.Get("codes.1").String()}), "INVALID code")
	for range 8 {
		h.ask(h.member.token, redeem, map[string]any{"c": "no such code"})
	}
	h.same("too many", h.failed(h.member.token, redeem, map[string]any{"c": "no such code"}), "RATE_LIMITED")
}
