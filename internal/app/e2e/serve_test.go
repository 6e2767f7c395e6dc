package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/devstack/pgtest"
)

func TestServeNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	const database, redis = "DATABASE_URL=postgres:///nowhere", "REDIS_URL=redis://127.0.0.1:1"
	for _, c := range []struct {
		env, names []string
	}{
		{nil, []string{"DATABASE_URL", "REDIS_URL", "AIHIGRESS_MASTER_KEY"}},
		{[]string{database, redis}, []string{"AIHIGRESS_MASTER_KEY"}},
		{[]string{database, redis, "AIHIGRESS_MASTER_KEY="}, []string{"AIHIGRESS_MASTER_KEY"}},
		{[]string{database, redis, "AIHIGRESS_MASTER_KEY=c2hvcnQ="}, []string{"AIHIGRESS_MASTER_KEY", "openssl rand"}},
		{[]string{database, redis, "AIHIGRESS_MASTER_KEY=" + strings.Repeat("A", 43) + "="}, []string{"AIHIGRESS_MASTER_KEY"}},
		{[]string{database, redis, "AIHIGRESS_MASTER_KEY=" + newMaster(), "LOG_LEVEL=loud"}, []string{"LOG_LEVEL"}},
	} {
		code, stdout, stderr := finish(t, launch{env: c.env}, "serve")
		if code != 2 || stdout != "" {
			t.Errorf("%v: exit %d, want 2, and stdout %q", c.env, code, stdout)
		}
		for _, name := range c.names {
			if !strings.Contains(stderr, name) {
				t.Errorf("%v: it said %q, without %s", c.env, stderr, name)
			}
		}
	}
}

func TestServeNeedsTheSchema(t *testing.T) {
	t.Parallel()
	s := newStores(t)
	s.postgres = pgtest.Empty(t)
	l := launch{env: s.env(t.TempDir())}
	code, _, stderr := finish(t, l, "serve")
	if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "migrate up") {
		t.Errorf("an empty database: exit %d, %q; want 1 and one sentence that says what to run", code, stderr)
	}
	if code, _, stderr := finish(t, l, "admin", "create", "--email", "admin@example.com"); code != 1 || !strings.Contains(stderr, "migrate up") {
		t.Errorf("admin create on an empty database: exit %d, %q", code, stderr)
	}
	migrate := launch{env: []string{"DATABASE_URL=" + s.postgres}} // nothing else is needed
	code, before, stderr := finish(t, migrate, "migrate", "status")
	if code != 0 || !strings.Contains(before, "pending") || strings.Contains(before, "applied") {
		t.Errorf("migrate status before: exit %d, %q %s; want all pending", code, before, stderr)
	}
	for range 2 { // the second has nothing to do
		code, after, stderr := finish(t, migrate, "migrate", "up")
		if code != 0 || strings.Contains(after, "pending") || strings.Count(after, "applied") != strings.Count(before, "pending") {
			t.Errorf("migrate up: exit %d, %q %s; want all applied", code, after, stderr)
		}
	}
	conn := connect(t, s.postgres)
	last := scan[int64](t, conn, `DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version) RETURNING version_id`)
	code, _, stderr = finish(t, l, "serve")
	if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "migrate up") {
		t.Errorf("a schema of the last release: exit %d, %q; want 1 and one sentence that says what to run", code, stderr)
	}
	if _, err := conn.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)`, last); err != nil {
		t.Fatal(err)
	}

	n := startNode(t, s, t.TempDir())
	g := firstAdmin(t, s, n)
	var viewer struct {
		Viewer struct{ ID, Email, Role string }
	}
	g.do(t, `{ viewer { id email role } }`, nil, &viewer)
	if viewer.Viewer.ID != g.viewer || viewer.Viewer.Role != "ADMIN" {
		t.Errorf("the first admin is %+v", viewer.Viewer)
	}
	code, stdout, stderr := finish(t, l, "admin", "create", "--email", "Admin@example.com")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "already") {
		t.Errorf("the same admin again: exit %d, %q %q", code, stdout, stderr)
	}
	if code, _, stderr := finish(t, l, "admin", "create"); code != 2 || !strings.Contains(stderr, "--email") {
		t.Errorf("admin create without --email: exit %d, %q; want 2", code, stderr)
	}
}

// TestServeTakesNoLoopback holds that outside dev a provider on this machine needs an admin's leave.
func TestServeTakesNoLoopback(t *testing.T) {
	t.Parallel()
	s := newStores(t)
	n := startNode(t, s, t.TempDir())
	g := firstAdmin(t, s, n)
	vendor := startVendor(t)
	var made struct {
		CreateProvider struct{ Provider struct{ ID string } }
	}
	g.do(t, `mutation($provider: CreateProviderInput!) { createProvider(input: $provider) { provider { id } userErrors { code message } } }`, vars{
		"provider": vars{"name": "near", "slug": "near", "dialect": "OPENAI", "baseUrl": vendor, "acceptAnyModel": true, "keys": []vars{{"secret": "sk-sim-near"}}},
	}, &made)
	id, key := newKey(t, g, g.viewer, nil)
	if id == "" {
		t.Fatal("no key")
	}
	c := &tenant{url: n.url, key: key, model: "near/sim-chat"}
	eventually(t, patience(testLag), "the provider can be called", func() bool { return c.status(t, "/v1/models/near/sim-chat") == 200 })
	client := c.sdk()
	answer, err := client.Chat.Completions.New(t.Context(), hello(c.model))
	if err == nil {
		t.Fatalf("a provider on loopback answered %q", answer.Choices[0].Message.Content)
	}
	if strings.Contains(err.Error(), "127.0.0.1") && !strings.Contains(err.Error(), n.url) {
		t.Errorf("the error tells where the provider is: %v", err)
	}
	g.do(t, `mutation($id: ID!) { updateProvider(input: {id: $id, allowPrivate: true}) { userErrors { code message } } }`, vars{"id": made.CreateProvider.Provider.ID}, nil)
	eventually(t, patience(testLag), "an admin's leave lets it be called", func() bool {
		_, err := client.Chat.Completions.New(t.Context(), hello(c.model))
		return err == nil
	})
}

// TestMetricsAreForOperators asks for /metrics where a node serves it beside everything else, and where it has a
// listener of its own.
func TestMetricsAreForOperators(t *testing.T) {
	t.Parallel()
	s := newStores(t)
	n := startNode(t, s, t.TempDir())
	g := firstAdmin(t, s, n)
	c := newTenant(t, g, startVendor(t), terms{})
	c.chat(t)
	var made struct{ CreateAPIKey struct{ Secret string } }
	g.do(t, `mutation($key: CreateApiKeyInput!) { createApiKey(input: $key) { secret userErrors { code message } } }`,
		vars{"key": vars{"name": "prometheus", "scopes": []string{"PLATFORM"}}}, &made)
	if status := c.status(t, "/metrics"); status != http.StatusUnauthorized {
		t.Errorf("with an app's key: %d, want 401", status)
	}
	operator := &tenant{url: n.url, key: made.CreateAPIKey.Secret}
	eventually(t, patience(testLag), "a platform key may read /metrics", func() bool { return operator.status(t, "/metrics") == http.StatusOK })

	own := freePort(t)
	apart := startNode(t, s, t.TempDir(), "METRICS_LISTEN="+own)
	resp, err := http.Get("http://" + own + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(text), "aihigress_requests_in_flight 0") {
		t.Errorf("on its own listener: %v, %.500s", err, text)
	}
	operator.url = apart.url
	if status := operator.status(t, "/metrics"); status == http.StatusOK {
		t.Error("with a listener of its own, /metrics is also on the public one")
	}
}
