package graph

import (
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	const create = `mutation($in: CreateApiKeyInput!) { createApiKey(input: $in) { secret userErrors { code path } apiKey {
		id name hint scopes models providers { slug } ipRanges limits { requestsPerMinute tokensPerMinute concurrency budget { amount window } } strategy timeoutMs expiresAt revokedAt createdAt user { email } } } }`
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	made := h.data(h.member.token, create, map[string]any{"in": map[string]any{
		"name": "app", "scopes": []string{"INFERENCE", "PLATFORM"}, "models": []string{"chat"}, "providers": []string{vendor.ID.String()},
		"ipRanges": []string{"127.0.0.0/8"}, "expiresAt": until, "strategy": "COST", "timeoutMs": 1500, "limits": map[string]any{"requestsPerMinute": 60, "tokensPerMinute": 5000000000},
	}}).Get("createApiKey")
	key := made.Get("apiKey")
	h.same("scopes", key.Get("scopes"), `["INFERENCE","PLATFORM"]`)
	h.same("providers", key.Get("providers"), `[{"slug":"vendor"}]`)
	h.same("limits", key.Get("limits"), `{"requestsPerMinute":60,"tokensPerMinute":5000000000,"concurrency":null,"budget":null}`)
	h.same("the end", key.Get("expiresAt"), until)
	h.same("routing", key.Get("strategy").String()+key.Get("timeoutMs").Raw, "COST1500")
	h.same("whose", key.Get("user.email"), h.member.Email)
	h.reload()
	h.same("what the secret opens", h.data("Bearer "+made.Get("secret").String(), "{ viewer { email } }", nil).Get("viewer.email"), h.member.Email)

	const update = `mutation($in: UpdateApiKeyInput!) { updateApiKey(input: $in) { userErrors { code path } apiKey { name models providers { slug } expiresAt limits { concurrency } } } }`
	id := key.Get("id").String()
	changed := h.data(h.member.token, update, map[string]any{"in": map[string]any{"id": id, "name": "other"}}).Get("updateApiKey.apiKey")
	h.same("what was left out", changed.Get("expiresAt"), until)
	h.same("models that were left out", changed.Get("models"), `["chat"]`)
	changed = h.data(h.member.token, update, map[string]any{"in": map[string]any{
		"id": id, "models": []string{}, "providers": []string{}, "expiresAt": nil, "limits": map[string]any{"concurrency": 2},
	}}).Get("updateApiKey.apiKey")
	h.same("what was taken away", changed.Raw, `{"name":"other","models":[],"providers":[],"expiresAt":null,"limits":{"concurrency":2}}`)
	const routing = `mutation($in: UpdateApiKeyInput!) { updateApiKey(input: $in) { userErrors { code path } apiKey { strategy timeoutMs } } }`
	changed = h.data(h.member.token, routing, map[string]any{"in": map[string]any{"id": id, "strategy": "LATENCY"}}).Get("updateApiKey.apiKey")
	h.same("a changed strategy", changed.Raw, `{"strategy":"LATENCY","timeoutMs":1500}`)
	changed = h.data(h.member.token, routing, map[string]any{"in": map[string]any{"id": id, "strategy": nil, "timeoutMs": nil}}).Get("updateApiKey.apiKey")
	h.same("routing that was taken away", changed.Raw, `{"strategy":null,"timeoutMs":null}`)
	h.same("a timeout of nothing", h.refused(h.member.token, routing, map[string]any{"in": map[string]any{"id": id, "timeoutMs": 0}}), "INVALID timeoutMs")
	h.same("a number too large", h.failed(h.member.token, update, map[string]any{"in": map[string]any{"id": id, "limits": map[string]any{"concurrency": 3000000000}}}), "BAD_USER_INPUT")

	const list = `query($f: ApiKeyFilter) { apiKeys(filter: $f, orderBy: {field: CREATED_AT, direction: DESC}) { totalCount nodes { name } } }`
	h.key(h.admin)
	h.same("a member's keys", h.data(h.member.token, list, nil).Get("apiKeys"), `{"totalCount":1,"nodes":[{"name":"other"}]}`)
	h.same("an admin's", h.data(h.admin.token, list, nil).Get("apiKeys.totalCount"), 2)
	h.same("an admin's of a member", h.data(h.admin.token, list, map[string]any{"f": map[string]any{"userId": h.member.ID.String()}}).Get("apiKeys.totalCount"), 1)
	h.same("by name", h.data(h.admin.token, list, map[string]any{"f": map[string]any{"query": "oth", "active": true}}).Get("apiKeys.totalCount"), 1)

	const revoke = `mutation($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { revokedAt } userErrors { code } } }`
	if h.data(h.member.token, revoke, map[string]any{"id": id}).Get("revokeApiKey.apiKey.revokedAt").String() == "" {
		t.Error("the key was not revoked")
	}
	h.reload()
	h.same("the secret after that", h.failed("Bearer "+made.Get("secret").String(), "{ viewer { email } }", nil), "UNAUTHENTICATED")
	h.same("a change after that", h.refused(h.member.token, update, map[string]any{"in": map[string]any{"id": id, "name": "x"}}), "CONFLICT")
}

func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	h := open(t)
	key, _ := h.key(h.admin)
	h.same("revoke another's", h.refused(h.member.token, `mutation($id: ID!) { revokeApiKey(input: {id: $id}) { userErrors { code } } }`, map[string]any{"id": key.ID.String()}), "NOT_FOUND")
	const create = `mutation($u: ID) { createApiKey(input: {name: "x", userId: $u}) { apiKey { user { email } } userErrors { code path } } }`
	h.same("for another, as admin", h.data(h.admin.token, create, map[string]any{"u": h.member.ID.String()}).Get("createApiKey.apiKey.user.email"), h.member.Email)
	answer := h.ask(h.member.token, create, map[string]any{"u": h.admin.ID.String()})
	if answer.Get("data.createApiKey.apiKey").IsObject() {
		t.Errorf("a member made an admin's key: %s", answer)
	}
	h.same("as nobody", h.failed("", create, nil), "UNAUTHENTICATED")
}
