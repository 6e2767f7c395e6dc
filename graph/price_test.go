package graph

import "testing"

func TestPriceCatalog(t *testing.T) {
	t.Parallel()
	h := open(t)
	const fields = `enabled source triedAt readAt changedAt error models changed unpriced leftOut problems repriced`
	const query, refresh = `{ priceCatalog { ` + fields + ` } }`, `mutation { refreshPriceCatalog { priceCatalog { ` + fields + ` } userErrors { code message } } }`
	h.same("before", h.data(h.admin.token, query, nil).Get("priceCatalog"), `{"enabled":true,"source":"https://prices.example.com/api.json","triedAt":null,"readAt":null,`+
		`"changedAt":null,"error":null,"models":0,"changed":0,"unpriced":0,"leftOut":0,"problems":[],"repriced":0}`)
	away := h.data(h.admin.token, refresh, nil).Get("refreshPriceCatalog.priceCatalog")
	h.same("away", away.Get("error"), "the catalogue's server could not be reached")
	h.same("never read", away.Get("readAt").Type.String(), "Null")

	h.vendor.prices = `{"openai":{"models":{"gpt-x":{"cost":{"input":1,"output":2}},"free":{"cost":{"input":0}},"bad":{"cost":{"input":-1}}}}}`
	read := h.data(h.admin.token, refresh, nil).Get("refreshPriceCatalog.priceCatalog")
	for field, want := range map[string]string{
		"error": "", "models": "1", "changed": "1", "unpriced": "1", "leftOut": "1", "problems.0": `openai/"bad": its price "input" is negative`, "repriced": "0",
	} {
		h.same(field, read.Get(field), want)
	}
	const unpriced = `{ unpricedModels { provider { slug } upstreamId routeOf } }`
	h.same("none yet", h.data(h.admin.token, unpriced, nil).Get("unpricedModels"), "[]")
	made := h.provider("vendor")
	h.data(h.admin.token, `mutation($p: ID!) { createModel(input: {name: "m", routes: [{providerId: $p, upstreamId: "nowhere"}]}) { userErrors { code } } }`, map[string]any{"p": made.ID.String()})
	seen := h.data(h.admin.token, unpriced, nil).Get("unpricedModels")
	h.same("what a route names", seen.Get(`#(routeOf=="m")`).Raw, `{"provider":{"slug":"vendor"},"upstreamId":"nowhere","routeOf":"m"}`)
	h.same("kept", h.data(h.admin.token, query, nil).Get("priceCatalog"), read.Raw)
	h.same("as a member", h.failed(h.member.token, query, nil), "FORBIDDEN")
	h.same("refreshed by a member", h.failed(h.member.token, refresh, nil), "FORBIDDEN")
}
