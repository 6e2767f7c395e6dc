package views_test

import (
	"testing"

	"aihigress/internal/authz"
	"aihigress/internal/health"
	"aihigress/internal/page"
	"aihigress/internal/provider"
)

func TestProviderFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	b.get("/providers").is(200).shows("No providers yet", `href="/providers/new"`)
	b.get("/providers/new").is(200).shows("Another provider", `preset=`)

	preset := b.get("/providers/new").find(`href="/providers/new\?preset=([a-z0-9-]+)"`)
	b.get("/providers/new?preset="+preset).is(200).shows(`name="preset" value="`+preset+`"`, `value="https://`)

	path := b.post("/providers/new", "preset", "", "name", "Example AI", "slug", "example", "dialect", "openai",
		"baseUrl", "https://api.example.com/v1", "visibility", "public", "weight", "3", "askStreamUsage", "on", "secret", "sk-upstream-very-secret-1234").provider()
	b.get(path).is(200).shows("Example AI", "example", "https://api.example.com/v1", "Not probed yet", "No models known yet", "The provider is created.").hides("very-secret")
	b.get("/providers").is(200).shows("Example AI", "Not probed yet")

	b.post(path + "/probe").redirects(path + "?watch=15")
	b.post(path + "/discover").redirects(path + "?watch=15")
	b.get(path+"?watch=3").is(200).shows(`hx-get="`+path+`?watch=2"`, `hx-select-oob="#provider-facts,#provider-models"`)
	b.get(path + "?watch=0").is(200).hides(`hx-get="` + path)

	b.post(path+"/edit", "name", "Example 2", "slug", "example", "baseUrl", "https://api.example.com/v2", "visibility", "public", "weight", "5").redirects(path)
	b.get(path+"/edit").is(200).shows(`value="Example 2"`, `value="5"`).hides("very-secret")

	b.post(path+"/enabled", "enabled", "false").redirects(path)
	b.get(path).shows("Disabled", "Enable")
	b.post(path+"/enabled", "enabled", "true").redirects(path)

	b.post(path+"/keys", "label", "second", "secret", "sk-another-very-secret-5678").redirects(path)
	page := b.get(path).is(200).shows("second").hides("very-secret")
	keyPath := page.find(`href="(` + path + `/keys/[a-z0-9_]+)"`)
	b.get(keyPath).is(200).shows("Requests at once", `action="`+keyPath+`/rotate"`, `action="`+keyPath+`/delete"`).hides("very-secret")
	b.post(keyPath, "label", "second", "weight", "7", "maxQps", "12", "maxConcurrency", "3", "requestsPerMinute", "", "tokensPerMinute", "90000").redirects(path)
	b.get(path).is(200).shows("12 a second", "90k tokens a minute", "3 at once", "100 %")
	b.get(keyPath).is(200).shows(`value="7"`, `value="12"`, `value="90000"`)
	b.post(keyPath, "label", "second", "weight", "x", "maxQps", "0", "maxConcurrency", "2000000").is(422).
		shows(`id="f-weight-error"`, `id="f-maxQps-error"`, `value="2000000"`)
	b.post(keyPath, "label", "second", "weight", "1", "maxConcurrency", "2000000").is(422).shows(`id="f-maxConcurrency-error"`)
	b.post(keyPath, "label", "second", "weight", "1").redirects(path)
	b.get(path).is(200).hides("12 a second")
	b.post(keyPath+"/rotate", "secret", "sk-third-very-secret-9999").redirects(path)
	b.get(path).is(200).shows("9999")
	b.post(keyPath + "/delete").redirects(path)
	b.post(keyPath + "/delete").is(404)

	b.post(path + "/delete").redirects("/providers")
	b.get(path).is(404)
	b.get("/providers").is(200).shows("No providers yet")
}

func TestProviderFormComesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	form := func(slug, url, weight string) []string {
		return []string{"name", "Example", "slug", slug, "dialect", "openai", "baseUrl", url, "visibility", "public", "weight", weight, "secret", "sk-typed-very-secret-0000"}
	}
	b.post("/providers/new", form("example", "nonsense", "1")...).is(422).shows(`id="f-baseUrl-error"`, `value="nonsense"`).hides("very-secret")
	b.post("/providers/new", form("Not A Slug", "https://api.example.com/v1", "1")...).is(422).shows(`id="f-slug-error"`)
	b.post("/providers/new", form("example", "https://api.example.com/v1", "many")...).is(422).shows(`id="f-weight-error"`, `value="many"`)
	path := b.post("/providers/new", form("example", "https://api.example.com/v1", "1")...).provider()
	b.post("/providers/new", form("example", "https://api.example.com/v1", "1")...).is(409)
	b.post(path+"/edit", "name", "", "slug", "example", "baseUrl", "https://api.example.com/v1", "visibility", "public", "weight", "1").is(422).shows(`id="f-name-error"`)
	b.post(path+"/keys", "secret", "").is(422).shows("Example", `id="f-secret-error"`)
}

func TestProviderKindsAndPaths(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	b.get("/providers/new").is(200).shows("Google Vertex AI (Claude)", "Anthropic · Vertex AI", "OpenAI Responses")
	b.get("/providers/new?preset=vertexai").is(200).shows(`<option value="vertex" selected>`, `<option value="gemini" selected>`, "The JSON of a service account")
	form := func(dialect, kind, url string, more ...string) []string {
		return append([]string{"name", "Example", "slug", "example", "dialect", dialect, "kind", kind, "baseUrl", url, "visibility", "public", "weight", "1"}, more...)
	}
	b.post("/providers/new", form("gemini", "vertex", "https://aiplatform.googleapis.com/v1/projects/PROJECT/locations/global")...).is(422).shows(`id="f-baseUrl-error"`)
	b.post("/providers/new", form("openai", "claude_cli", "https://relay.example.com")...).is(422).shows(`id="f-kind-error"`)
	for _, bad := range []string{"generate", "dance /x", "speech //example.com", "speech /a\nspeech /b"} {
		b.post("/providers/new", form("openai", "direct", "https://api.example.com/v1", "paths", bad)...).is(422).shows(`id="f-paths-error"`, "<details open")
	}
	b.post("/providers/new", form("openai", "direct", "https://api.example.com/v1", "headers", "x-team search")...).is(422).shows(`id="f-headers-error"`)
	path := b.post("/providers/new", form("anthropic", "claude_cli", "https://relay.example.com", "streaming", "only",
		"paths", "generate /run\r\n\r\n list_models   /all \r\n", "headers", "x-team: search: all\r\n", "secret", "sk-relay-very-secret-1234")...).provider()
	b.get(path).is(200).shows("Anthropic · Claude CLI", "Streams only")
	b.get(path+"/edit").is(200).shows("generate /run\nlist_models /all", "X-Team: search: all", `<option value="only" selected>`, "<details open")

	// What a form does not have stays; what it has empty goes.
	edit := []string{"name", "Example", "slug", "example", "baseUrl", "https://relay.example.com", "visibility", "public", "weight", "1"}
	b.post(path+"/edit", edit...).redirects(path)
	b.get(path+"/edit").shows("generate /run", "X-Team")
	b.post(path+"/edit", append(edit, "kind", "direct", "streaming", "", "paths", "", "headers", "")...).redirects(path)
	b.get(path+"/edit").is(200).shows(`<option value="direct" selected>`, `<option value="" selected>`).hides("generate /run\n", "X-Team", "<details open")
	b.post(path+"/edit", append(edit, "kind", "vertex")...).is(422).shows(`id="f-baseUrl-error"`)
	edit[5] = "https://aiplatform.googleapis.com/v1/projects/example/locations/global"
	b.post(path+"/edit", append(edit, "kind", "vertex")...).is(409).shows(`id="f-kind-error"`)
}

func TestProviderModelPrices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	path := b.post("/providers/new", "name", "Example", "slug", "example", "dialect", "openai", "baseUrl", "https://api.example.com/v1",
		"visibility", "public", "weight", "1").provider()
	s.discover(t, path)
	model := b.get(path).is(200).shows("large-2", "small-2", "Unpriced").find(`href="(` + path + `/models/[a-z0-9_]+)"`)

	b.post(model, "inputPrice", "a lot", "outputPrice", "15", "enabled", "on").is(422).shows(`value="a lot"`, `id="f-inputPrice-error"`)
	b.post(model, "alias", "large", "inputPrice", "3", "outputPrice", "15.25", "enabled", "on").redirects(path)
	b.get(path).is(200).shows("also large", ">3</td>", ">15.25</td>", "Active")
	b.get(model).is(200).shows(`value="15.25"`, `name="cachedInputPrice"`).hides("<details open")
	rare := []string{"inputPrice", "3", "outputPrice", "15.25", "reasoning", "12", "request", "0.007", "batch", "0.5", "tiers", "200000 input=6 output=22.5\n\n300000 cachedInput=1",
		"windows", "16:30-00:30 times=0.5 days=fri,sat\n\n00:30-24:00  times=2"}
	b.post(model, rare...).redirects(path)
	b.get(model).is(200).shows("<details open", `value="12"`, `value="0.007"`, `value="0.5"`, "200000 input=6 output=22.5\n300000 cachedInput=1", "16:30-00:30 times=0.5 days=fri,sat\n00:30-24:00 times=2")
	for field, text := range map[string]string{"reasoning": "-1", "request": "x", "batch": "101", "tiers": "200000 sound=6"} {
		b.post(model, "inputPrice", "3", field, text).is(422).shows("<details open", `id="f-`+field+`-error"`)
	}
	b.post(model, "tiers", "5 input=1\n5 input=2").is(422)
	b.post(model, "windows", "16:30-16:30 times=1").is(422).shows("A window of time begins between 00:00 and 23:59", `id="f-windows-error"`).hides("alert-error")
	b.post(model, "batch", "1000", "windows", "now").is(422).shows(`id="f-batch-error"`, "Enter a decimal number from 0 to 100", `id="f-windows-error"`, ">now</textarea>").hides("alert-error")
	for _, line := range []string{"16:30", "16:30-00:30", "16:30-00:30 times=101", "16:30-25:00 times=1", "16:30-17:00 times=1 days=monday", "16:30-17:00 times=1 x=1"} {
		b.post(model, "inputPrice", "3", "windows", line).is(422).shows("<details open", `id="f-windows-error"`)
	}
	b.get("/models").is(200).shows("1 models of providers have no price.")
	b.post(model + "/delete").redirects(path)
	b.get(path).shows("small-2", "The model is removed.").hides("large-2")

	b.post(path+"/models", "upstreamId", "").is(422).shows(`id="f-upstreamId-error"`)
	added := b.post(path+"/models", "upstreamId", "hidden-1").redirects(path + "/models/")
	b.get(added).is(200).shows("hidden-1")
	b.get(path + "/models/pmd_00000000000000000000000000").is(404)
}

func TestProvidersForMembers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	path := admin.post("/providers/new", "name", "Example", "slug", "example", "dialect", "openai", "baseUrl", "https://api.example.com/v1",
		"visibility", "public", "weight", "1", "secret", "sk-upstream-very-secret-1234").provider()
	member.get("/providers").is(200).shows("Example").hides("New provider", "api.example.com")
	member.get(path).is(200).shows("Example").hides("1234", "api.example.com", "Probe now", "Add key")
	member.post(path + "/delete").is(403)
	member.post(path+"/edit", "name", "Mine", "slug", "mine", "baseUrl", "https://evil.example", "weight", "1").is(403)
	member.post(path + "/probe").is(403)
	member.post("/providers/new", "name", "x", "slug", "x", "dialect", "openai", "baseUrl", "https://x.example").is(403)
}

// What a provider has to do is shown with the key that it does it with, to those who may see keys.
func TestProviderLoads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	path := b.post("/providers/new", "name", "Example", "slug", "example", "dialect", "openai", "baseUrl", "https://api.example.com/v1",
		"visibility", "public", "weight", "1", "secret", "sk-upstream-very-secret-1234").provider()
	b.get(path).is(200).hides("Under way")
	all, err := s.providers.List(authz.With(t.Context(), authz.Job("test")), provider.Filter{}, page.Args{First: 1})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.providers.Keys(authz.With(t.Context(), authz.Job("test")), all.Items[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	target := health.Target{Provider: all.Items[0].ID, Model: "large-2", Key: keys[0].ID}
	for range 3 {
		slot, _ := s.gate.Take(target)
		defer slot.End(health.Cancelled)
	}
	b.get(path).is(200).shows("Under way", "large-2", keys[0].Hint).hides("Held back")
	slot, _ := s.gate.Take(target)
	slot.End(health.Overloaded)
	b.get(path).is(200).shows("Held back")
	s.signIn(t, memberEmail).get(path).is(200).shows("Under way", "large-2").hides(keys[0].Hint)
}
