package graph

import (
	"strings"
	"testing"

	"aihigress/internal/egress"
	"aihigress/internal/id"
)

func TestEgressPools(t *testing.T) {
	t.Parallel()
	h := open(t)
	const fields = `{ id name choice allowDirect allowHosts listHost allowPlainList listFetchedAt listError createdAt
		proxies { id address hint source state latency error checkedAt changedAt createdAt } }`
	const create = `mutation($in: CreateEgressPoolInput!) { createEgressPool(input: $in) { egressPool ` + fields + ` userErrors { code message path } } }`
	in := map[string]any{
		"name": "Europe", "choice": "STICKY", "allowHosts": []any{"Proxy.Internal", "10.0.0.0/8"},
		"listUrl": "https://lists.example.com/get/very-secret-token",
		"proxies": []any{"http://user:first-password-1234@p1.example.com:8080", "p2.example.com:3128"},
	}
	made := h.data(h.admin.token, create, map[string]any{"in": in}).Get("createEgressPool.egressPool")
	pool := made.Get("id").String()
	for field, want := range map[string]any{
		"name": "Europe", "choice": "STICKY", "allowDirect": false, "allowHosts": `["proxy.internal","10.0.0.0/8"]`,
		"listHost": "https://lists.example.com", "allowPlainList": false, "listFetchedAt": "", "listError": "",
		"proxies.#.address": `["http://p1.example.com:8080","http://p2.example.com:3128"]`, "proxies.#.hint": `["…1234",""]`,
		"proxies.#.source": `["MANUAL","MANUAL"]`, "proxies.#.state": `["UNKNOWN","UNKNOWN"]`, "proxies.0.checkedAt": "",
	} {
		h.same(field, made.Get(field), want)
	}
	h.same("the same name again", h.refused(h.admin.token, create, map[string]any{"in": in}), "CONFLICT name")
	for path, change := range map[string][2]any{
		"proxies.1":  {"proxies", []any{"p.example.com:1", "ftp://secret-user:secret-password@p.example.com:1"}},
		"listUrl":    {"listUrl", "http://lists.example.com/secret-token"},
		"allowHosts": {"allowHosts", []any{"127.1"}},
		"name":       {"name", ""},
	} {
		bad := map[string]any{"name": "x", change[0].(string): change[1]}
		h.same("bad "+path, h.refused(h.admin.token, create, map[string]any{"in": bad}), "INVALID "+path)
	}

	poolID, err := id.Parse[id.EgressPool](pool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.domain.Egress.Refresh(h.job, poolID); err != nil {
		t.Fatal(err)
	}
	if n, err := h.domain.Egress.Check(h.job, poolID); err != nil || n != 1 {
		t.Fatalf("%d work: %v", n, err)
	}
	const check = `mutation($id: ID!) { checkEgressPool(input: {id: $id}) { egressPool ` + fields + ` userErrors { code } } }`
	checked := h.data(h.admin.token, check, map[string]any{"id": pool}).Get("checkEgressPool.egressPool")
	h.same("states", checked.Get("proxies.#.state"), `["HEALTHY","UNHEALTHY","UNHEALTHY"]`)
	h.same("sources", checked.Get("proxies.#.source"), `["MANUAL","MANUAL","LIST"]`)
	h.same("a latency", checked.Get("proxies.0.latency"), 0.03)
	h.same("why", checked.Get("proxies.1.error"), "the proxy could not be reached")
	if checked.Get("listFetchedAt").String() == "" || checked.Get("proxies.0.changedAt").String() == "" {
		t.Errorf("times are missing: %s", checked)
	}

	h.changeEgressPool(pool, checked.Get("proxies.1.id").String())
	h.useEgressPool(pool)

	everything := h.data(h.admin.token, `{ auditEvents(first: 100) { nodes { action details } } egressPools { nodes `+fields+` } }`, nil)
	if raw := made.Raw + checked.Raw + everything.Raw; strings.Contains(raw, "password") || strings.Contains(raw, "secret") {
		t.Errorf("a secret is shown: %s", raw)
	}
}

func (h *house) changeEgressPool(pool, proxy string) {
	h.Helper()
	const update = `mutation($in: UpdateEgressPoolInput!) { updateEgressPool(input: $in) { egressPool { name choice allowDirect allowHosts listHost listError listFetchedAt proxies { address source } } userErrors { code path } } }`
	change := func(in map[string]any) string {
		in["id"] = pool
		return h.data(h.admin.token, update, map[string]any{"in": in}).Get("updateEgressPool.egressPool").Raw
	}
	h.same("changed", change(map[string]any{
		"name": "Asia", "choice": "ROUND_ROBIN", "allowDirect": true, "allowHosts": []any{}, "removeProxies": []any{proxy},
		"addProxies": []any{"p1.example.com:8080", "http://user:first-password-1234@p1.example.com:8080"},
	}), `{"name":"Asia","choice":"ROUND_ROBIN","allowDirect":true,"allowHosts":[],"listHost":"https://lists.example.com","listError":"","listFetchedAt":`+
		h.data(h.admin.token, `query($id: ID!) { node(id: $id) { ... on EgressPool { listFetchedAt } } }`, map[string]any{"id": pool}).Get("node.listFetchedAt").Raw+
		`,"proxies":[{"address":"http://p1.example.com:8080","source":"MANUAL"},{"address":"socks5://p3.example.com:1080","source":"LIST"},{"address":"http://p1.example.com:8080","source":"MANUAL"}]}`)
	h.same("nothing", h.refused(h.admin.token, update, map[string]any{"in": map[string]any{"id": pool, "addProxies": []any{"nonsense"}}}), "INVALID addProxies.0")
	h.same("without its list", change(map[string]any{"listUrl": "", "allowPlainList": true}),
		`{"name":"Asia","choice":"ROUND_ROBIN","allowDirect":true,"allowHosts":[],"listHost":null,"listError":"","listFetchedAt":null,"proxies":[{"address":"http://p1.example.com:8080","source":"MANUAL"},{"address":"http://p1.example.com:8080","source":"MANUAL"}]}`)
	h.same("of nobody", h.refused(h.admin.token, update, map[string]any{"in": map[string]any{"id": id.New[id.EgressPool]().String()}}), "NOT_FOUND")
}

func (h *house) useEgressPool(pool string) {
	h.Helper()
	vendor := map[string]any{"id": h.provider("vendor").ID.String()}
	const update = `mutation($in: UpdateProviderInput!) { updateProvider(input: $in) { provider { egressPool { name } allowHosts caCertificate } userErrors { code path } } }`
	change := func(name string, value any) string {
		return h.data(h.admin.token, update, map[string]any{"in": map[string]any{"id": vendor["id"], name: value}}).Get("updateProvider.provider").Raw
	}
	h.same("used", change("egressPoolId", pool), `{"egressPool":{"name":"Asia"},"allowHosts":[],"caCertificate":""}`)
	h.same("allowed", change("allowHosts", []any{"LLM.internal"}), `{"egressPool":{"name":"Asia"},"allowHosts":["llm.internal"],"caCertificate":""}`)
	h.same("a pool of nobody", h.refused(h.admin.token, update, map[string]any{"in": map[string]any{"id": vendor["id"], "egressPoolId": id.New[id.EgressPool]().String()}}), "INVALID egressPoolId")
	h.same("no certificate", h.refused(h.admin.token, update, map[string]any{"in": map[string]any{"id": vendor["id"], "caCertificate": "x"}}), "INVALID caCertificate")
	h.same("no host", h.refused(h.admin.token, update, map[string]any{"in": map[string]any{"id": vendor["id"], "allowHosts": []any{"a b"}}}), "INVALID allowHosts")
	seen := h.data(h.member.token, `query($id: ID!) { node(id: $id) { ... on Provider { egressPool { name } allowHosts caCertificate } } }`, vendor)
	h.same("as member", seen.Get("node").Raw, `{"egressPool":null,"allowHosts":[],"caCertificate":""}`)

	remove := `mutation($id: ID!) { deleteEgressPool(input: {id: $id}) { deletedId userErrors { code } } }`
	h.same("in use", h.refused(h.admin.token, remove, map[string]any{"id": pool}), "CONFLICT")
	h.same("no longer", change("egressPoolId", nil), `{"egressPool":null,"allowHosts":["llm.internal"],"caCertificate":""}`)
	h.same("as member", h.failed(h.member.token, remove, map[string]any{"id": pool}), "FORBIDDEN")
	h.same("gone", h.data(h.admin.token, remove, map[string]any{"id": pool}).Get("deleteEgressPool.deletedId"), pool)
	h.same("gone twice", h.refused(h.admin.token, remove, map[string]any{"id": pool}), "NOT_FOUND")
}

func TestEgressPoolLists(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, name := range []string{"b", "a", "ab"} {
		must(h.domain.Egress.Create(h.as(h.admin), egress.CreateInput{Name: name}))(t)
	}
	const list = `query($d: OrderDirection!, $f: EgressPoolFilter, $after: String) { egressPools(first: 2, after: $after, orderBy: {field: NAME, direction: $d}, filter: $f) { totalCount nodes { name } pageInfo { endCursor hasNextPage } } }`
	first := h.data(h.admin.token, list, map[string]any{"d": "ASC"}).Get("egressPools")
	h.same("the first page", first.Get("nodes.#.name"), `["a","ab"]`)
	h.same("in all", first.Get("totalCount"), 3)
	h.same("the second page", h.data(h.admin.token, list, map[string]any{"d": "ASC", "after": first.Get("pageInfo.endCursor").String()}).Get("egressPools.nodes.#.name"), `["b"]`)
	h.same("backwards", h.data(h.admin.token, list, map[string]any{"d": "DESC"}).Get("egressPools.nodes.#.name"), `["b","ab"]`)
	h.same("by query", h.data(h.admin.token, list, map[string]any{"d": "ASC", "f": map[string]any{"query": "A"}}).Get("egressPools.totalCount"), 2)
	h.same("as member", h.failed(h.member.token, list, map[string]any{"d": "ASC"}), "FORBIDDEN")
}
