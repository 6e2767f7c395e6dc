package graph

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/snapshot"
)

func TestProviders(t *testing.T) {
	t.Parallel()
	h := open(t)
	const create = `mutation($in: CreateProviderInput!) { createProvider(input: $in) { userErrors { code path message } provider {
		id slug name dialect kind baseUrl visibility presetId headers { name value } paths { operation path } streaming weight askStreamUsage allowPrivate acceptAnyModel billingFactor enabled createdAt
		health { state } keys { id label hint weight maxQps enabled createdAt }
		models { id upstreamId alias capabilities contextTokens maxOutputTokens inputPrice cachedInputPrice cacheWritePrice outputPrice rarePrices` + rareFields + ` priceSource enabled missingSince } } } }`
	in := map[string]any{
		"name": "The Vendor", "dialect": "OPENAI", "baseUrl": "https://vendor.example.com/v1", "weight": 2, "acceptAnyModel": true, "billingFactor": "1.2",
		"kind": "DIRECT", "streaming": "NEVER",
		"paths":   []any{map[string]any{"operation": "LIST_MODELS", "path": "/all"}, map[string]any{"operation": "GENERATE", "path": "/run/{model}"}},
		"headers": []any{map[string]any{"name": "X-Team", "value": "search"}},
		"keys":    []any{map[string]any{"secret": "vendor-secret-0123456789", "label": "first", "maxQps": 5}},
		"models":  []any{map[string]any{"upstreamId": "small", "alias": "s", "inputPrice": "0.15", "outputPrice": "0.6", "rarePrices": rarePrices()}, map[string]any{"upstreamId": "large"}},
	}
	made := h.data(h.admin.token, create, map[string]any{"in": in}).Get("createProvider.provider")
	for field, want := range map[string]any{
		"slug": "the-vendor", "dialect": "OPENAI", "kind": "DIRECT", "visibility": "PUBLIC", "presetId": "", "weight": 2, "askStreamUsage": true,
		"streaming": "NEVER", "paths": `[{"operation":"GENERATE","path":"/run/{model}"},{"operation":"LIST_MODELS","path":"/all"}]`,
		"headers": `[{"name":"X-Team","value":"search"}]`, "health": "", "keys.0.maxQps": 5, "keys.0.label": "first",
		"models.#.upstreamId": `["large","small"]`, "models.1.inputPrice": "0.15", "models.1.priceSource": "MANUAL", "models.1.alias": "s",
		"models.1.rarePrices": rareText, "billingFactor": "1.2",
		"models.0.rarePrices": "", "models.0.inputPrice": "", "models.0.priceSource": "UNKNOWN", "models.0.alias": "", "models.0.contextTokens": "",
	} {
		h.same(field, made.Get(field), want)
	}
	if strings.Contains(made.Raw, "vendor-secret") {
		t.Errorf("the secret is shown: %s", made)
	}
	h.same("the same slug again", h.refused(h.admin.token, create, map[string]any{"in": in}), "CONFLICT slug")
	in["baseUrl"] = "ftp://x"
	h.same("a bad address", h.refused(h.admin.token, create, map[string]any{"in": in}), "INVALID baseUrl")
	in["baseUrl"], in["slug"], in["paths"] = "https://vendor.example.com/v1", "elsewhere", []any{map[string]any{"operation": "SPEECH", "path": "//example.com"}}
	h.same("a path that leads elsewhere", h.refused(h.admin.token, create, map[string]any{"in": in}), "INVALID paths")
	h.same("as member", h.failed(h.member.token, create, map[string]any{"in": in}), "FORBIDDEN")

	id := made.Get("id").String()
	h.changeProvider(id)
	h.providerKeys(id)
	h.providerModels(id)

	const remove = `mutation($id: ID!) { deleteProvider(input: {id: $id}) { deletedId userErrors { code } } }`
	h.same("what is gone", h.data(h.admin.token, remove, map[string]any{"id": id}).Get("deleteProvider.deletedId"), id)
	h.same("gone twice", h.refused(h.admin.token, remove, map[string]any{"id": id}), "NOT_FOUND")
}

func (h *house) changeProvider(id string) {
	h.Helper()
	const update = `mutation($in: UpdateProviderInput!) { updateProvider(input: $in) { provider { name visibility headers { name } weight billingFactor models { upstreamId outputPrice } } userErrors { code path } } }`
	changed := h.data(h.admin.token, update, map[string]any{"in": map[string]any{
		"id": id, "name": "Other", "headers": []any{}, "billingFactor": "0.5", "models": []any{map[string]any{"upstreamId": "small", "inputPrice": "1", "outputPrice": "2"}},
	}}).Get("updateProvider.provider")
	h.same("the change", changed.Raw, `{"name":"Other","visibility":"PUBLIC","headers":[],"weight":2,"billingFactor":"0.5","models":[{"upstreamId":"large","outputPrice":null},{"upstreamId":"small","outputPrice":"2"}]}`)
	h.same("a model without a name", h.refused(h.admin.token, update, map[string]any{"in": map[string]any{
		"id": id, "models": []any{map[string]any{"upstreamId": "fine"}, map[string]any{"upstreamId": ""}},
	}}), "INVALID models.1.upstreamId")
	const enable = `mutation($id: ID!) { setProviderEnabled(input: {id: $id, enabled: false}) { provider { enabled } userErrors { code } } }`
	h.same("enabled", h.data(h.admin.token, enable, map[string]any{"id": id}).Get("setProviderEnabled.provider.enabled"), false)
	for _, job := range []string{"discoverProviderModels", "probeProvider"} {
		asked := h.data(h.admin.token, `mutation($id: ID!) { `+job+`(input: {id: $id}) { provider { name } userErrors { code } } }`, map[string]any{"id": id})
		h.same(job, asked.Get(job+".provider.name"), "Other")
		h.same(job+" as member", h.failed(h.member.token, `mutation($id: ID!) { `+job+`(input: {id: $id}) { userErrors { code } } }`, map[string]any{"id": id}), "FORBIDDEN")
	}
	var jobs int
	if err := h.pool.QueryRow(h.Context(), "SELECT count(DISTINCT kind) FROM river_job").Scan(&jobs); err != nil {
		h.Fatal(err)
	}
	h.same("kinds of job that wait", jobs, 2)
}

func TestProviderKinds(t *testing.T) {
	t.Parallel()
	h := open(t)
	const create = `mutation($in: CreateProviderInput!) { createProvider(input: $in) { userErrors { code path } provider { id kind streaming paths { path } baseUrl } } }`
	const base = "https://aiplatform.googleapis.com/v1/projects/example/locations/global"
	in := map[string]any{"name": "Vertex", "dialect": "GEMINI", "presetId": "vertexai", "baseUrl": base}
	made := h.data(h.admin.token, create, map[string]any{"in": in}).Get("createProvider.provider")
	id := made.Get("id").String()
	h.same("made of a preset", made.Get("kind"), "VERTEX")
	h.same("its form", made.Get("streaming"), "AS_ASKED")
	in["slug"], in["baseUrl"] = "other", "https://aiplatform.googleapis.com/v1/projects/PROJECT/locations/global"
	h.same("nobody's project", h.refused(h.admin.token, create, map[string]any{"in": in}), "INVALID baseUrl")
	in["baseUrl"], in["kind"] = base, "CLAUDE_CLI"
	h.same("Claude Code to Gemini", h.refused(h.admin.token, create, map[string]any{"in": in}), "INVALID kind")
	in["dialect"] = "ANTHROPIC"
	h.same("Claude Code", h.data(h.admin.token, create, map[string]any{"in": in}).Get("createProvider.provider.kind"), "CLAUDE_CLI")

	const update = `mutation($in: UpdateProviderInput!) { updateProvider(input: $in) { userErrors { code path } provider { kind streaming paths { operation path } } } }`
	changed := h.data(h.admin.token, update, map[string]any{"in": map[string]any{
		"id": id, "kind": "DIRECT", "streaming": "ONLY", "paths": []any{map[string]any{"operation": "GENERATE_STREAM", "path": "/stream"}},
	}}).Get("updateProvider.provider")
	h.same("changed", changed.Raw, `{"kind":"DIRECT","streaming":"ONLY","paths":[{"operation":"GENERATE_STREAM","path":"/stream"}]}`)
	h.data(h.admin.token, update, map[string]any{"in": map[string]any{"id": id, "kind": "VERTEX"}})
	const add = `mutation($id: ID!, $s: String!) { addProviderKey(input: {providerId: $id, key: {secret: $s}}) { key { id } userErrors { code path } } }`
	h.same("a broken account", h.refused(h.admin.token, add, map[string]any{"id": id, "s": `{"type":"service_account"}`}), "INVALID secret")
	h.data(h.admin.token, add, map[string]any{"id": id, "s": "an-express-mode-key"})
	h.same("another kind with keys", h.refused(h.admin.token, update, map[string]any{"in": map[string]any{"id": id, "kind": "DIRECT"}}), "CONFLICT kind")
	h.same("streaming is kept", h.data(h.admin.token, update, map[string]any{"in": map[string]any{"id": id, "name": "x"}}).Get("updateProvider.provider.streaming"), "ONLY")
}

func (h *house) providerKeys(id string) {
	h.Helper()
	added := h.data(h.admin.token, `mutation($id: ID!) { addProviderKey(input: {providerId: $id, key: {secret: "another-secret-9876543210", label: "second"}}) {
		key { id hint label } provider { keys { label } } userErrors { code } } }`, map[string]any{"id": id}).Get("addProviderKey")
	h.same("keys", added.Get("provider.keys.#.label"), `["first","second"]`)
	key := map[string]any{"id": added.Get("key.id").String()}
	rotated := h.data(h.admin.token, `mutation($id: ID!) { rotateProviderKey(input: {id: $id, secret: "rotated-secret-0000001234"}) { key { id hint label } userErrors { code } } }`, key).Get("rotateProviderKey.key")
	h.same("the rotated key", rotated.Get("id"), key["id"])
	if rotated.Get("hint").String() == added.Get("key.hint").String() {
		h.Error("the secret is the old one")
	}
	h.providerKeyLimits(added.Get("key.id").String())
	const remove = `mutation($id: ID!) { removeProviderKey(input: {id: $id}) { removedId userErrors { code } } }`
	h.same("as member", h.failed(h.member.token, remove, key), "FORBIDDEN")
	h.same("the removed key", h.data(h.admin.token, remove, key).Get("removeProviderKey.removedId"), key["id"])
	h.same("removed twice", h.refused(h.admin.token, remove, key), "NOT_FOUND")
}

// providerKeyLimits sets what a key may do, and looks at what is left of it and at what its vendor says.
func (h *house) providerKeyLimits(key string) {
	h.Helper()
	const fields = `key { label weight maxQps maxConcurrency requestsPerMinute tokensPerMinute headroom learntLimits { upstreamId dimension limit remaining resetAt } }`
	const update = `mutation($in: UpdateProviderKeyInput!) { updateProviderKey(input: $in) { ` + fields + ` userErrors { code path } } }`
	vendorKey, err := id.Parse[id.ProviderKey](key)
	if err != nil {
		h.Fatal(err)
	}
	in := map[string]any{"id": key, "weight": 3, "maxQps": 9, "maxConcurrency": 4, "requestsPerMinute": 60, "tokensPerMinute": 90000}
	changed := h.data(h.admin.token, update, map[string]any{"in": in}).Get("updateProviderKey.key")
	h.same("the key", changed.Raw, `{"label":"second","weight":3,"maxQps":9,"maxConcurrency":4,"requestsPerMinute":60,"tokensPerMinute":90000,"headroom":1,"learntLimits":[]}`)

	used := &snapshot.ProviderKey{ID: vendorKey, Limits: snapshot.KeyLimits{MaxQPS: 9, MaxConcurrency: 4, RequestsPerMinute: 60, TokensPerMinute: 90000}}
	lease, wait := h.domain.Room.Take(h.Context(), used, "m", 100, 0)
	if wait > 0 {
		h.Fatal("the key has no room")
	}
	defer lease.Keep()
	h.domain.Room.Learn(used, "m", "anthropic", http.Header{
		"Anthropic-Ratelimit-Requests-Limit": {"50"}, "Anthropic-Ratelimit-Requests-Remaining": {"45"},
		"Anthropic-Ratelimit-Requests-Reset": {time.Now().Add(50 * time.Minute).Format(time.RFC3339)},
	})
	changed = h.data(h.admin.token, update, map[string]any{"in": map[string]any{"id": key, "label": "third", "maxQps": nil}}).Get("updateProviderKey.key")
	for field, want := range map[string]any{
		"label": "third", "weight": 3, "maxQps": "", "maxConcurrency": 4, "headroom": 0.75, "learntLimits.#": 1,
		"learntLimits.0.upstreamId": "m", "learntLimits.0.dimension": "REQUESTS", "learntLimits.0.limit": 50, "learntLimits.0.remaining": 45,
	} {
		h.same(field, changed.Get(field), want)
	}
	if at := changed.Get("learntLimits.0.resetAt").Time(); time.Until(at) < 48*time.Minute || time.Until(at) > 51*time.Minute {
		h.Errorf("reset at %s", at)
	}
	for field, bad := range map[string]any{"weight": -1, "maxQps": 1_000_001, "maxConcurrency": -1, "requestsPerMinute": -5, "tokensPerMinute": -1, "label": strings.Repeat("x", 300)} {
		h.same(field, h.refused(h.admin.token, update, map[string]any{"in": map[string]any{"id": key, field: bad}}), "INVALID "+field)
	}
	h.same("as member", h.failed(h.member.token, update, map[string]any{"in": map[string]any{"id": key}}), "FORBIDDEN")
}

func (h *house) providerModels(id string) {
	h.Helper()
	models := h.data(h.admin.token, `query($id: ID!) { node(id: $id) { ... on Provider { models { id upstreamId } } } }`, map[string]any{"id": id})
	model := map[string]any{"id": models.Get(`node.models.#(upstreamId=="large").id`).String()}
	changed := h.data(h.admin.token, `mutation($id: ID!) { updateProviderModel(input: {id: $id, alias: "big", contextTokens: 128000, prices: {inputPrice: "3", rarePrices: {reasoning: "9"}}, enabled: false}) {
		model { alias contextTokens inputPrice outputPrice rarePrices { reasoning tiers { above } } priceSource enabled } userErrors { code path } } }`, model).Get("updateProviderModel.model")
	h.same("the model", changed.Raw, `{"alias":"big","contextTokens":128000,"inputPrice":"3","outputPrice":null,"rarePrices":{"reasoning":"9","tiers":[]},"priceSource":"MANUAL","enabled":false}`)
	h.same("the removed model", h.data(h.admin.token, `mutation($id: ID!) { removeProviderModel(input: {id: $id}) { removedId userErrors { code } } }`, model).Get("removeProviderModel.removedId"), model["id"])
}

func TestProviderLists(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.provider("beta")
	h.provider("alpha")
	hidden, err := h.domain.Providers.Create(h.as(h.admin), provider.CreateInput{Slug: "hidden", Name: "hidden", Dialect: "openai", BaseURL: "https://h.example.com/v1"})
	if err != nil {
		t.Fatal(err)
	}
	const list = `query($d: OrderDirection!, $f: ProviderFilter) { providers(first: 2, orderBy: {field: SLUG, direction: $d}, filter: $f) { totalCount nodes { slug baseUrl keys { label } models { upstreamId } } pageInfo { endCursor hasNextPage } } }`
	all := h.data(h.admin.token, list, map[string]any{"d": "ASC"}).Get("providers")
	h.same("as admin", all.Get("nodes.#.slug"), `["alpha","beta"]`)
	h.same("in all", all.Get("totalCount"), 3)
	h.same("backwards", h.data(h.admin.token, list, map[string]any{"d": "DESC"}).Get("providers.nodes.#.slug"), `["hidden","beta"]`)
	h.same("by query", h.data(h.admin.token, list, map[string]any{"d": "ASC", "f": map[string]any{"query": "lph", "enabled": true}}).Get("providers.totalCount"), 1)
	seen := h.data(h.member.token, list, map[string]any{"d": "ASC"}).Get("providers")
	h.same("as member", seen.Get("totalCount"), 2)
	h.same("what a member sees", seen.Get("nodes.0").Raw, `{"slug":"alpha","baseUrl":"","keys":null,"models":[{"upstreamId":"small"}]}`)
	h.same("a hidden one", h.data(h.member.token, `query($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": hidden.ID.String()}).Get("node"), "")
	presets := h.data(h.admin.token, `{ providerPresets { id name dialect kind baseUrl modelCount } }`, nil).Get("providerPresets")
	if presets.Get(`#(id=="openai").modelCount`).Int() < 5 || presets.Get(`#(id=="anthropic").dialect`).String() != "ANTHROPIC" ||
		presets.Get(`#(id=="vertexai").kind`).String() != "VERTEX" || presets.Get(`#(id=="openai-responses").dialect`).String() != "RESPONSES" {
		t.Errorf("presets are %s", presets)
	}
}

func TestProviderHealthChanged(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor, other := h.provider("vendor"), h.provider("other")
	hidden, err := h.domain.Providers.Create(h.as(h.admin), provider.CreateInput{
		Slug: "hidden", Name: "hidden", Dialect: "openai", BaseURL: "https://h.example.com/v1", Models: []provider.ModelInput{{UpstreamID: "small"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const fields = ` { state source httpStatus latency error checkedAt changedAt provider { slug health { state } } } }`
	all := h.listen(h.member.token, "subscription { providerHealthChanged"+fields)
	w := h.connect(h.admin.token)
	w.subscribe("1", `subscription { providerHealthChanged(providerId: "`+other.ID.String()+`")`+fields)
	w.subscribe("nobody's", `subscription { providerHealthChanged(providerId: "prv_00000000000000000000000000")`+fields)
	h.same("one that is not there", w.read().Get("payload.0.extensions.code"), "NOT_FOUND")
	for _, p := range []provider.Provider{hidden, vendor, other} {
		if _, err := h.domain.Providers.Probe(h.job, p.ID); err != nil {
			t.Fatal(err)
		}
	}
	_, first, _ := all.next()
	change := first.Get("data.providerHealthChanged")
	h.same("what a member sees first", change.Get("provider.slug"), "vendor")
	h.same("the state", change.Get("state"), "UNHEALTHY")
	h.same("who says so", change.Get("source"), "PROBE")
	h.same("the status", change.Get("httpStatus"), 500)
	h.same("the latency", change.Get("latency"), 0.02)
	h.same("the provider's health", change.Get("provider.health.state"), "UNHEALTHY")
	seen := w.hear(func() {
		for _, p := range []provider.Provider{hidden, vendor, other} {
			h.domain.Bus.Publish(t.Context(), provider.TopicHealth, provider.Health{ProviderID: p.ID, State: provider.Healthy})
		}
	})
	h.same("what the other subscription sees first", seen.Get("payload.data.providerHealthChanged.provider.slug"), "other")

	live := h.listen(h.member.token, "subscription { providerHealthChanged { state provider { slug circuits { reason upstreamId } } } }")
	for _, p := range []provider.Provider{hidden, vendor} {
		for range 6 { // of which the fifth is news
			attempt, _ := h.domain.Health.Begin(health.Target{Provider: p.ID, Model: "small"}, true)
			attempt.End(health.Result{Class: health.TimedOut})
		}
	}
	proof, _ := h.domain.Health.Begin(health.Target{Provider: other.ID, Model: "small"}, true)
	proof.End(health.Result{Class: health.OK}) // no news
	proof, _ = h.domain.Health.Begin(health.Target{Provider: vendor.ID, Model: "small"}, true)
	_, opened, _ := live.next()
	h.same("what live traffic tells", opened.Get("data.providerHealthChanged").Raw,
		`{"state":"UNHEALTHY","provider":{"slug":"vendor","circuits":[{"reason":"timeouts","upstreamId":"small"}]}}`)
	proof.End(health.Result{Class: health.OK})
	_, closed, _ := live.next()
	h.same("and then", closed.Get("data.providerHealthChanged").Raw, `{"state":"UNHEALTHY","provider":{"slug":"vendor","circuits":[]}}`)
}
