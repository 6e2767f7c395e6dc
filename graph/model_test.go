package graph

import (
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"aihigress/internal/apikey"
	"aihigress/internal/catalog"
	"aihigress/internal/health"
	"aihigress/internal/provider"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

func TestModels(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor, other := h.provider("vendor"), h.provider("other")
	const create = `mutation($in: CreateModelInput!) { createModel(input: $in) { userErrors { code path } model {
		id name description strategy balance { latency price errors } unsupportedFields requestErrors hedge retryBudget multiplier enabled createdAt
		routes { id upstreamId weight priority region enabled provider { slug }
			overrides { capabilities contextTokens maxOutputTokens inputPrice cachedInputPrice cacheWritePrice outputPrice rarePrices` + rareFields + ` } } } } }`
	in := map[string]any{"name": "chat", "strategy": "PRIORITY", "unsupportedFields": "REJECT", "requestErrors": "FAILOVER", "hedge": true, "multiplier": "1.25", "balance": map[string]any{"latency": 2.5}, "routes": []any{
		map[string]any{"providerId": vendor.ID.String(), "upstreamId": "small", "region": "eu", "overrides": map[string]any{
			"capabilities": []string{}, "contextTokens": 9, "maxOutputTokens": 8, "inputPrice": "0", "cachedInputPrice": "1.5", "cacheWritePrice": "2", "outputPrice": "3", "rarePrices": rarePrices(),
		}},
		map[string]any{"providerId": other.ID.String(), "upstreamId": "small", "weight": 5, "priority": 1, "enabled": false},
	}}
	made := h.data(h.admin.token, create, map[string]any{"in": in}).Get("createModel.model")
	h.same("strategy", made.Get("strategy"), "PRIORITY")
	h.same("unsupported fields", made.Get("unsupportedFields"), "REJECT")
	h.same("providers", made.Get("routes.#.provider.slug"), `["vendor","other"]`)
	h.same("weights", made.Get("routes.#.weight"), `[1,5]`)
	h.same("enabled", made.Get("routes.#.enabled"), `[true,false]`)
	h.same("policies", made.Get("balance").Raw+made.Get("requestErrors").String()+made.Get("hedge").Raw+made.Get("retryBudget").Raw, `{"latency":2.5,"price":1,"errors":10}FAILOVERtrue10`)
	h.same("a region", made.Get("routes.0.region"), "eu")
	h.same("overrides", made.Get("routes.0.overrides").Raw,
		`{"capabilities":[],"contextTokens":9,"maxOutputTokens":8,"inputPrice":"0","cachedInputPrice":"1.5","cacheWritePrice":"2","outputPrice":"3","rarePrices":`+rareText+`}`)
	h.same("a multiplier", made.Get("multiplier"), "1.25")
	h.same("no overrides", made.Get("routes.1.overrides").Raw,
		`{"capabilities":null,"contextTokens":null,"maxOutputTokens":null,"inputPrice":null,"cachedInputPrice":null,"cacheWritePrice":null,"outputPrice":null,"rarePrices":null}`)
	h.same("the same name", h.refused(h.admin.token, create, map[string]any{"in": in}), "CONFLICT name")
	in["routes"].([]any)[0].(map[string]any)["overrides"].(map[string]any)["rarePrices"] = map[string]any{"tiers": []any{map[string]any{"above": 0}}}
	h.same("a tier above nothing", h.refused(h.admin.token, create, map[string]any{"in": in}), "INVALID routes.0.overrides.rarePrices.tiers")
	h.same("as member", h.failed(h.member.token, create, map[string]any{"in": in}), "FORBIDDEN")

	id := made.Get("id").String()
	const update = `mutation($in: UpdateModelInput!) { updateModel(input: $in) { userErrors { code path } model { name strategy unsupportedFields routes { upstreamId } } } }`
	changed := h.data(h.admin.token, update, map[string]any{"in": map[string]any{"id": id, "name": "talk"}}).Get("updateModel.model")
	h.same("what was left out", len(changed.Get("routes").Array()), 2)
	changed = h.data(h.admin.token, update, map[string]any{"in": map[string]any{"id": id, "strategy": "WEIGHTED", "unsupportedFields": "KEEP", "routes": []any{
		map[string]any{"providerId": other.ID.String(), "upstreamId": "small", "weight": 1}, map[string]any{"providerId": vendor.ID.String(), "upstreamId": "small", "weight": 3},
	}}}).Get("updateModel.model")
	h.same("the change", changed.Get("strategy"), "WEIGHTED")
	h.same("the change of unsupported fields", changed.Get("unsupportedFields"), "KEEP")

	const policies = `mutation($in: UpdateModelInput!) { updateModel(input: $in) { userErrors { code path } model { balance { errors } requestErrors hedge retryBudget } } }`
	changed = h.data(h.admin.token, policies, map[string]any{"in": map[string]any{
		"id": id, "balance": map[string]any{"errors": 1}, "requestErrors": "RETURN", "hedge": false, "retryBudget": 0,
	}}).Get("updateModel.model")
	h.same("another multiplier", h.data(h.admin.token, `mutation($id: ID!) { updateModel(input: {id: $id, multiplier: "0"}) { model { multiplier } userErrors { code } } }`, map[string]any{"id": id}).Get("updateModel.model.multiplier"), "0")
	h.same("changed policies", changed.Raw, `{"balance":{"errors":1},"requestErrors":"RETURN","hedge":false,"retryBudget":0}`)
	h.same("a budget of more than all", h.refused(h.admin.token, policies, map[string]any{"in": map[string]any{"id": id, "retryBudget": 101}}), "INVALID retryBudget")

	h.plans(id)
	h.plansForNeeds(vendor, other)

	const list = `query($d: OrderDirection!) { models(orderBy: {field: NAME, direction: $d}, filter: {query: "t", enabled: true}) { totalCount nodes { name } edges { node { routes { provider { slug } } } } } }`
	h.data(h.admin.token, create, map[string]any{"in": map[string]any{"name": "test", "routes": []any{}}})
	h.same("the list", h.data(h.member.token, list, map[string]any{"d": "ASC"}).Get("models.nodes.#.name"), `["talk","test"]`)
	h.same("the list backwards", h.data(h.member.token, list, map[string]any{"d": "DESC"}).Get("models.nodes.#.name"), `["test","talk"]`)

	const remove = `mutation($id: ID!) { deleteModel(input: {id: $id}) { deletedId userErrors { code } } }`
	h.same("what is gone", h.data(h.admin.token, remove, map[string]any{"id": id}).Get("deleteModel.deletedId"), id)
	h.same("gone twice", h.refused(h.admin.token, remove, map[string]any{"id": id}), "NOT_FOUND")
}

// The schema's strategies, the catalogue's and the router's are the same.
func TestStrategiesAreThePolicies(t *testing.T) {
	t.Parallel()
	for i, strategy := range catalog.Strategies {
		if i >= len(routing.Policies) || string(routing.Policies[i]) != string(strategy) {
			t.Errorf("the router does not know %s", strategy)
		}
	}
	if len(routing.Policies) != len(catalog.Strategies) {
		t.Errorf("the router knows %v", routing.Policies)
	}
	if made := snapshot.Balance(catalog.DefaultBalance); made != routing.UsualBalance {
		t.Errorf("a model that says nothing counts %v, the router %v", made, routing.UsualBalance)
	}
}

// explains asks for the terms of a score, and for what is left out while it is out of use.
func (h *house) explains(planned gjson.Result) {
	h.Helper()
	const plan = `{ routingPlan(model: "talk", input: {strategy: LATENCY}) { strategy candidates {
		provider { slug circuits { scope upstreamId halfOpen reason since until asked key { id } } } key { label } upstreamId score reasons excluded
		terms { score firstToken generation price errorRate failures { class share } cooledDown firstTokenP50 firstTokenP95 speedP50 inFlight known } } } }`
	h.same("what weights need", planned.Get("candidates.0.terms").Raw, "")
	slug := planned.Get("candidates.0.provider.slug").String()
	h.loads(slug)
	now, _ := h.domain.Snapshots.Current().ProviderBySlug(slug)
	target := health.Target{Provider: now.ID, Model: planned.Get("candidates.0.upstreamId").String(), Key: now.Keys[0].ID}
	warm, _ := h.domain.Health.Begin(target, false)
	warm.First()
	warm.End(health.Result{Class: health.OK, Tokens: 100})
	attempt, _ := h.domain.Health.Begin(target, false)
	attempt.End(health.Result{Class: health.RateLimited, RetryAfter: time.Hour})
	defer func() {
		proof, _ := h.domain.Health.Begin(target, true)
		proof.End(health.Result{Class: health.OK})
	}()
	got := h.data(h.admin.token, plan, nil).Get("routingPlan")
	h.same("the strategy", got.Get("strategy"), "LATENCY")
	last := got.Get("candidates.@reverse.0")
	h.same("who is left out", last.Get("provider.slug"), slug)
	h.same("that it is", last.Get("excluded"), true)
	h.same("its chance", last.Get("score"), 0)
	h.same("why", last.Get("reasons.0"), "out of use: rate limited (key)")
	h.same("its terms", last.Get("terms.known").Float() > 1.8 && last.Get("terms.errorRate").Float() > 0.3, true)
	h.same("in which way it fails", last.Get("terms.failures.0.class"), "rate_limited")
	h.same("how often it does so", last.Get("terms.failures.0.share").Float() > 0.4, true)
	h.same("its keys that are out of use", last.Get("terms.cooledDown"), 1)
	h.same("its percentiles", last.Get("terms.firstTokenP95").String() != "" && last.Get("terms.firstTokenP50").String() != "" && last.Get("terms.speedP50").Float() > 0, true)
	rest := got.Get("candidates.0.terms")
	h.same("the rest's terms", rest.Get("errorRate").Raw+rest.Get("failures").Raw+rest.Get("cooledDown").Raw+rest.Get("firstTokenP95").Raw, "0.02[]0null")
	circuit := last.Get("provider.circuits.0")
	h.same("the circuit", circuit.Get("scope").String()+circuit.Get("reason").String()+circuit.Get("halfOpen").String()+circuit.Get("asked").String(), "KEYrate limitedfalsetrue")
	h.same("its key", circuit.Get("key.id"), now.Keys[0].ID.String())
	seen := h.data(h.member.token, plan, nil).Get(`routingPlan.candidates.@reverse.0`)
	h.same("keys, for a member", seen.Get("key").Raw+seen.Get("provider.circuits.0.key").Raw, "nullnull")
}

// loads asks what is under way at a provider.
func (h *house) loads(slug string) {
	h.Helper()
	now, _ := h.domain.Snapshots.Current().ProviderBySlug(slug)
	target := health.Target{Provider: now.ID, Model: "large", Key: now.Keys[0].ID}
	first, _ := h.domain.Gate.Take(target)
	second, _ := h.domain.Gate.Take(target)
	first.End(health.Overloaded)
	const query = `query($slug: String) { providers(filter: {query: $slug}) { nodes { loads { upstreamId key { id } inFlight limit limited waiting } } } }`
	of := func(token string) string {
		return h.data(token, query, map[string]any{"slug": slug}).Get("providers.nodes.0.loads").Raw
	}
	h.same("the load", of(h.admin.token), `[{"upstreamId":"large","key":{"id":"`+target.Key.String()+`"},"inFlight":1,"limit":7,"limited":true,"waiting":0}]`)
	h.same("the load, for a member", of(h.member.token), `[{"upstreamId":"large","key":null,"inFlight":1,"limit":7,"limited":true,"waiting":0}]`)
	second.End(health.Cancelled)
}

// plansForNeeds asks how calls of the model talk would be routed that need something.
func (h *house) plansForNeeds(vendor, other provider.Provider) {
	h.Helper()
	const describe = `mutation($in: UpdateProviderInput!) { updateProvider(input: $in) { userErrors { code path } provider { models { capabilities contextTokens } } } }`
	in := func(p provider.Provider, capabilities ...string) map[string]any {
		return map[string]any{"in": map[string]any{"id": p.ID.String(), "models": []any{map[string]any{"upstreamId": "small", "capabilities": capabilities, "contextTokens": 8192, "maxOutputTokens": 4096}}}}
	}
	h.same("a capability that there is not", h.refused(h.admin.token, describe, in(vendor, "teleport")), "INVALID models.0.capabilities")
	h.same("the capabilities", h.data(h.admin.token, describe, in(vendor, "Vision", "function-calling")).Get("updateProvider.provider.models.0.capabilities"), `["vision","tools"]`)
	h.data(h.admin.token, describe, in(other, "tools", "reasoning"))
	h.reload()
	const plan = `query($in: RoutingPlanInput) { routingPlan(model: "talk", input: $in) { candidates { provider { slug } excluded unfit lacks reasons } } }`
	planned := func(in map[string]any) string {
		text := ""
		for _, c := range h.data(h.admin.token, plan, map[string]any{"in": in}).Get("routingPlan.candidates").Array() {
			text += c.Get("provider.slug").String() + " " + c.Get("lacks").Raw + " " + c.Get("excluded").String() + c.Get("unfit").String() + "; "
		}
		return text
	}
	h.same("pictures", planned(map[string]any{"needs": []string{"VISION", "TOOLS"}}), `vendor [] falsefalse; other ["VISION"] truetrue; `)
	h.same("thinking", planned(map[string]any{"needs": []string{"REASONING"}}), `other [] falsefalse; vendor ["REASONING"] truefalse; `)
	h.same("what its dialect has", planned(map[string]any{"needs": []string{"DIALECT"}, "dialect": "ANTHROPIC", "strategy": "PRIORITY"}), `vendor ["DIALECT"] falsefalse; other ["DIALECT"] falsefalse; `)
	h.same("room", planned(map[string]any{"promptTokens": 9000, "maxOutputTokens": 2000, "strategy": "PRIORITY"}), `vendor ["CONTEXT"] truetrue; other ["CONTEXT"] truetrue; `)
	long := h.data(h.admin.token, plan, map[string]any{"in": map[string]any{"promptTokens": 9000, "maxOutputTokens": 7000}}).Get("routingPlan.candidates.0.reasons")
	h.same("why", long.Raw, `["context of 8192 tokens is too short for about 16000","answers of 4096 tokens are too short for 7000"]`)
	h.same("a negative number", h.failed(h.admin.token, plan, map[string]any{"in": map[string]any{"promptTokens": -1}}), "BAD_USER_INPUT")
	h.same("a need that the numbers say", h.failed(h.admin.token, plan, map[string]any{"in": map[string]any{"needs": []string{"CONTEXT"}}}), "BAD_USER_INPUT")
}

// plans asks how calls of the model talk would be routed.
func (h *house) plans(string) {
	h.Helper()
	h.reload()
	const plan = `query($m: String!, $in: RoutingPlanInput) { routingPlan(model: $m, input: $in) { model resolvedModel strategy candidates { provider { slug } upstreamId region score reasons excluded } } }`
	planned := h.data(h.member.token, plan, map[string]any{"m": "talk", "in": map[string]any{"seed": 1}}).Get("routingPlan")
	h.same("the strategy", planned.Get("strategy"), "WEIGHTED")
	h.same("the chance of vendor", planned.Get(`candidates.#(provider.slug=="vendor").score`), 0.75)
	if planned.Get("candidates.0.reasons.0").String() == "" {
		h.Errorf("no reasons: %s", planned)
	}
	for range 5 {
		again := h.data(h.member.token, plan, map[string]any{"m": "talk", "in": map[string]any{"seed": 1}}).Get("routingPlan")
		h.same("the same draw", again.Raw, planned.Raw)
	}
	h.explains(planned)
	direct := h.data(h.member.token, plan, map[string]any{"m": "vendor/small"}).Get("routingPlan")
	h.same("slug/model", direct.Get("candidates.#.provider.slug"), `["vendor"]`)
	h.same("its strategy", direct.Get("strategy"), "")
	h.same("its region", direct.Get("candidates.0.region"), "")
	h.alias(h.member, "t*k", "talk")
	through := h.data(h.member.token, plan, map[string]any{"m": "teak"}).Get("routingPlan")
	h.same("an alias", through.Get("model").String()+" "+through.Get("resolvedModel").String()+" "+through.Get("strategy").String(), "teak talk WEIGHTED")
	h.same("another's alias", h.failed(h.admin.token, plan, map[string]any{"m": "teak"}), "NOT_FOUND")
	set, _, err := h.domain.Keys.Create(h.as(h.member), apikey.CreateInput{Name: "set", Strategy: catalog.LeastBusy})
	if err != nil {
		h.Fatal(err)
	}
	key, _, err := h.domain.Keys.Create(h.as(h.member), apikey.CreateInput{Name: "x", Models: []string{"elsewhere"}})
	if err != nil {
		h.Fatal(err)
	}
	h.reload()
	in := map[string]any{"m": "talk", "in": map[string]any{"apiKeyId": set.ID.String()}}
	h.same("the key's strategy", h.data(h.member.token, plan, in).Get("routingPlan.strategy"), "LEAST_BUSY")
	in["in"] = map[string]any{"apiKeyId": key.ID.String()}
	h.same("a key that may not call it", h.failed(h.member.token, plan, in), "NOT_FOUND")
	foreign, _ := h.key(h.admin)
	in["in"] = map[string]any{"apiKeyId": foreign.ID.String()}
	h.same("another's key", h.failed(h.member.token, plan, in), "NOT_FOUND")
	h.same("as nobody", h.failed("", plan, map[string]any{"m": "talk"}), "UNAUTHENTICATED")
}
