package views_test

import (
	"testing"

	"aihigress/internal/authz"
	"aihigress/internal/id"
)

func TestEgressPoolFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	b.get("/").shows(`href="/egress"`)
	b.get("/egress").is(200).shows("No egress pools yet", `href="/egress/new"`)
	b.get("/egress/new").is(200).shows(`name="proxies"`, `<option value="random" selected>`)
	b.post("/egress/new", "name", "", "choice", "random").is(422).shows(`id="f-name-error"`)
	b.post("/egress/new", "name", "Europe", "choice", "random", "proxies", "http://u:typed-very-secret-0000@").is(422).shows(`id="f-proxies-error"`, `value="Europe"`).hides("very-secret")
	b.post("/egress/new", "name", "Europe", "choice", "random", "listUrl", "http://lists.example.com/very-secret").is(422).shows(`id="f-listUrl-error"`).hides("very-secret")
	b.post("/egress/new", "name", "Europe", "choice", "random", "allowHosts", "10.0.0.0/99").is(422).shows(`id="f-allowHosts-error"`, "10.0.0.0/99")

	path := b.post("/egress/new", "name", "Europe", "choice", "sticky", "allowDirect", "on", "allowHosts", "10.0.0.0/8\r\nProxy.internal",
		"listUrl", "https://lists.example.com/get/very-secret", "proxies", "http://u:first-very-secret-1234@p.example.com:8080\r\n\r\nsocks5://dead.example.com:1080").redirects("/egress/egp_")
	path = path[:len("/egress/egp_")+26]
	b.get(path).is(200).shows("Europe", "The same for each key", "http://p.example.com:8080", "…1234", "socks5://dead.example.com:1080", "https://lists.example.com/…",
		"2 not checked yet", "10.0.0.0/8\nproxy.internal", "Without a proxy").hides("very-secret")

	pool, err := id.Parse[id.EgressPool](path[len("/egress/"):])
	if err != nil {
		t.Fatal(err)
	}
	job := authz.With(t.Context(), authz.Job("test"))
	if _, err := s.egress.Refresh(job, pool); err != nil {
		t.Fatal(err)
	}
	if _, err := s.egress.Check(job, pool); err != nil {
		t.Fatal(err)
	}
	b.post(path + "/check").redirects(path + "?watch=15")
	b.get(path+"?watch=3").is(200).shows("2 of 3 work", "https://listed.example.com:8443", "1 lines are no proxies", "the proxy could not be reached",
		`hx-get="`+path+`?watch=2"`, `hx-select-oob="#egress-facts,#egress-proxies"`).hides("very-secret")
	b.get("/egress").is(200).shows("Europe", "2 of 3 work")
	b.get("/egress?q=nothing").is(200).shows("Nothing found")

	dead := b.get(path).find(`(?s)dead\.example\.com.*?action="(` + path + `/proxies/epx_[a-z0-9]+/delete)"`)
	b.post(dead).redirects(path)
	b.get(path).hides("dead.example.com")
	b.post(path+"/proxies", "addProxies", "ftp://very-secret").is(422).shows(`id="f-addProxies-error"`).hides("very-secret")
	b.post(path+"/proxies", "addProxies", "q.example.com:3128").redirects(path + "?watch=15")
	b.get(path).shows("http://q.example.com:3128")

	// A form without the address of a list keeps the list.
	b.post(path, "name", "Asia", "choice", "round_robin", "allowHosts", "").redirects(path)
	b.get(path).shows("Asia", "In turn", "https://lists.example.com/…", "Not at all").hides("proxy.internal")
	b.post(path, "name", "", "choice", "round_robin").is(422).shows(`id="f-name-error"`)
	b.post(path, "name", "Asia", "choice", "random", "removeList", "on").redirects(path)
	b.get(path).hides("lists.example.com", "listed.example.com")
	b.post("/egress/new", "name", "Asia", "choice", "random").is(409).shows(`id="f-name-error"`)

	vendor := s.egressOfAProvider(b, path)
	b.post(path+"/delete").is(409).shows("Providers use this egress pool", "Asia")
	b.post(vendor + "/delete").redirects("/providers")
	b.post(path + "/delete").redirects("/egress")
	b.get(path).is(404)
}

// egressOfAProvider has a provider name the pool, and gives its page.
func (s *site) egressOfAProvider(b *browser, pool string) string {
	id := pool[len("/egress/"):]
	form := []string{"name", "Example", "slug", "example", "dialect", "openai", "baseUrl", "https://api.example.com/v1", "visibility", "public", "weight", "1"}
	b.get("/providers/new?preset=").is(200).shows(`<option value="`+id+`">Asia</option>`, `name="caCertificate"`)
	b.post("/providers/new", append(form, "egressPoolId", "nonsense")...).is(422).shows(`id="f-egressPoolId-error"`, "<details open")
	b.post("/providers/new", append(form, "caCertificate", "nonsense")...).is(422).shows(`id="f-caCertificate-error"`, "<details open")
	b.post("/providers/new", append(form, "allowHosts", "no host")...).is(422).shows(`id="f-allowHosts-error"`, "<details open", `<option value="`+id+`">Asia</option>`)
	path := b.post("/providers/new", append(form, "egressPoolId", id, "allowHosts", "llm.internal")...).provider()
	b.get(path).is(200).shows(`href="`+pool+`"`, "Asia")
	b.get(path+"/edit").is(200).shows(`<option value="`+id+`" selected>`, "llm.internal", "<details open")
	b.post(path+"/edit", form...).redirects(path) // what a form does not have stays
	b.get(path+"/edit").shows(`<option value="`+id+`" selected>`, "llm.internal")
	b.post(path+"/edit", append(form, "egressPoolId", "", "allowHosts", "")...).redirects(path)
	b.get(path+"/edit").hides(`<option value="`+id+`" selected>`, "llm.internal")
	b.post(path+"/edit", append(form, "egressPoolId", id)...).redirects(path)
	return path
}

func TestEgressIsForAdmins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	path := admin.post("/egress/new", "name", "Europe", "choice", "random").redirects("/egress/egp_")
	path = path[:len("/egress/egp_")+26]
	member.get("/").hides(`href="/egress"`)
	for _, page := range []string{"/egress", "/egress/new", path} {
		member.get(page).is(403)
	}
	for _, form := range []string{"/egress/new", path, path + "/check", path + "/delete", path + "/proxies", path + "/proxies/epx_00000000000000000000000000/delete"} {
		member.post(form, "name", "x", "choice", "random", "addProxies", "p.example.com:1").is(403)
	}
	admin.get(path).is(200)
	admin.get("/egress/egp_00000000000000000000000000").is(404)
	admin.get("/egress/nonsense").is(404)
}
