package graph

import (
	"strings"
	"testing"
	"time"
)

const requestFields = ` { id requestId startedAt apiKey { name } user { email } model provider { slug } upstreamModel dialect endpoint streamed httpStatus
	outcome errorCode attempts { provider key status error startedAt duration charge unpriced } duration timeToFirstToken
	usage { inputTokens cachedInputTokens cacheWriteTokens cacheWrite1hTokens outputTokens reasoningTokens audioInputTokens audioOutputTokens imageInputTokens imageOutputTokens images seconds characters serviceTier toolUses estimated } charge cost priceVersion prices { id firstSeenAt inputPrice cachedInputPrice cacheWritePrice outputPrice rarePrices` + rareFields + ` factor } unpriced tags { name value }
	plan { strategy candidates { provider upstreamId key score leftOut } more } }`

func TestRequests(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	key, _ := h.key(h.member)
	foreign, _ := h.key(h.admin)
	h.drop(`INSERT INTO price_versions (id, rate, markup) VALUES ('` + priceVersion + `', '{"input":"1","cachedInput":"0.1","cacheWrite":"2","output":"3","rare":` + rareText[:strings.Index(rareText, `"windows"`)] + storedRare + `}', 25000000)`)
	e := h.logged(h.member, key, &vendor)
	h.logged(h.admin, foreign, nil)
	const list = `query($f: RequestFilter, $o: RequestOrder) { requests(filter: $f, orderBy: $o) { totalCount searchedTo nodes` + requestFields + ` } }`
	seen := h.data(h.admin.token, list, map[string]any{"f": map[string]any{"userId": h.member.ID.String()}}).Get("requests.nodes.0")
	for field, want := range map[string]any{
		"id": e.ID, "requestId": "from-outside", "apiKey.name": "test", "user.email": h.member.Email, "model": "chat", "provider.slug": "vendor",
		"upstreamModel": "small-2", "dialect": "OPENAI", "httpStatus": 200, "outcome": "OK", "errorCode": "", "duration": 1.5, "timeToFirstToken": 0.2,
		"usage":  `{"inputTokens":16,"cachedInputTokens":5,"cacheWriteTokens":1,"cacheWrite1hTokens":1,"outputTokens":20,"reasoningTokens":4,"audioInputTokens":5,"audioOutputTokens":6,"imageInputTokens":2,"imageOutputTokens":3,"images":7,"seconds":8,"characters":9,"serviceTier":"PRIORITY","toolUses":1,"estimated":false}`,
		"charge": "0.01", "cost": "0.01", "unpriced": false, "priceVersion": priceVersion, "prices.id": priceVersion, "prices.inputPrice": "1", "prices.cachedInputPrice": "0.1", "prices.cacheWritePrice": "2",
		"prices.outputPrice": "3", "prices.rarePrices": rareText, "prices.factor": "1.25", "tags": `[{"name":"team","value":"search"}]`,
		"attempts.0.provider": "vendor", "attempts.0.status": 200, "attempts.0.duration": 1, "attempts.0.error": "", "attempts.0.charge": "0.000000007", "attempts.0.unpriced": true, "startedAt": e.StartedAt.Format(time.RFC3339Nano),
	} {
		h.same(field, seen.Get(field), want)
	}
	h.same("the plan", seen.Get("plan.strategy").String()+seen.Get("plan.more").Raw, "balanced1")
	h.same("its first", seen.Get("plan.candidates.0").Raw, `{"provider":"vendor","upstreamId":"small-2","key":"`+e.Plan.Targets[0].KeyID.String()+`","score":0.5,"leftOut":null}`)
	h.same("its last", seen.Get("plan.candidates.1").Raw, `{"provider":"other","upstreamId":"tiny","key":null,"score":null,"leftOut":"vision+context"}`)
	own := h.data(h.member.token, list, nil).Get("requests")
	h.same("a member's requests", own.Get("nodes.#.user.email"), `["member@example.com"]`)
	h.same("a member's view of costs", own.Get("nodes.0.cost"), "")
	h.same("a member's view of prices", own.Get("nodes.0.priceVersion").String()+own.Get("nodes.0.prices").Raw, priceVersion+"null")
	h.same("a member asking for another's", h.data(h.member.token, list, map[string]any{"f": map[string]any{"userId": h.admin.ID.String()}}).Get("requests.nodes"), "[]")
	all := h.data(h.admin.token, list, map[string]any{"o": map[string]any{"field": "STARTED_AT", "direction": "ASC"}}).Get("requests")
	h.same("oldest first", all.Get("nodes.#.user.email"), `["member@example.com","admin@example.com"]`)
	h.same("without a provider", all.Get("nodes.1.provider"), "")
	h.same("without a plan", all.Get("nodes.1.plan").Raw, "null")
	h.same("by outcome", h.data(h.admin.token, list, map[string]any{"f": map[string]any{"outcomes": []string{"REFUSED"}}}).Get("requests.nodes"), "[]")
	entry := h.data(h.member.token, `{ creditAccount { entries { nodes { kind amount requestId } } } }`, nil).Get("creditAccount.entries.nodes.0")
	h.same("what it cost", entry.Raw, `{"kind":"CHARGE","amount":"-0.01","requestId":"`+e.ID.String()+`"}`)
	h.same("the request of the entry", h.data(h.member.token, `query($id: ID!) { node(id: $id) { ... on Request { model } } }`, map[string]any{"id": e.ID.String()}).Get("node.model"), "chat")
	h.same("as nobody", h.failed("", `{ requests { totalCount } }`, nil), "UNAUTHENTICATED")
}

func TestRequestLogged(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	key, _ := h.key(h.member)
	foreign, _ := h.key(h.admin)
	member := h.listen(h.member.token, "subscription { requestLogged"+requestFields+" }")
	w := h.connect(h.admin.token)
	w.subscribe("1", `subscription { requestLogged(filter: {userId: "`+h.member.ID.String()+`"})`+requestFields+` }`)
	w.subscribe("2", `subscription { requestLogged(filter: {outcomes: [REFUSED]})`+requestFields+` }`)
	h.logged(h.admin, foreign, nil)
	h.logged(h.member, key, &vendor)
	_, first, _ := member.next()
	got := first.Get("data.requestLogged")
	h.same("what the member sees first", got.Get("user.email"), h.member.Email)
	h.same("its key", got.Get("apiKey.name"), "test")
	h.same("its provider", got.Get("provider.slug"), "vendor")
	h.same("its cost", got.Get("cost"), "")
	seen := w.hear(func() {
		h.logged(h.admin, foreign, nil)
		h.logged(h.member, key, &vendor)
	})
	h.same("which of the admin's subscriptions hears", seen.Get("id"), "1")
	h.same("what it hears", seen.Get("payload.data.requestLogged.user.email"), h.member.Email)
	h.same("with its cost", seen.Get("payload.data.requestLogged.cost"), "0.01")
}
