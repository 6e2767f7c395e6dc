package snapshot_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

// What a route overrides, a model and a key say of routing, and aliases: as they are stored, and within a second.
func TestLoadRouting(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	provider := f.provider("vendor")
	f.exec(`INSERT INTO provider_models (id, provider_id, upstream_id, source, input_price, output_price, context_tokens, max_output_tokens, capabilities)
		VALUES ($1, $2, 'gpt', 'manual', 10, 20, 1000, 500, '{vision}')`, id.New[id.ProviderModel](), provider)
	plain, other := id.New[id.Model](), id.New[id.Model]()
	f.exec(`INSERT INTO models (id, name) VALUES ($1, 'plain')`, plain)
	f.exec(`INSERT INTO models (id, name, balance_latency, balance_price, balance_errors, hedge, retry_budget, request_errors) VALUES ($1, 'other', 0, 2.5, 1, true, 0, 'failover')`, other)
	route := func(model id.Model, upstream, columns, values string) {
		f.exec(`INSERT INTO routes (id, model_id, provider_id, upstream_id`+columns+`) VALUES ($1, $2, $3, $4`+values+`)`, id.New[id.Route](), model, provider, upstream)
	}
	route(plain, "gpt", "", "")
	route(other, "gpt", ", region, capabilities, context_tokens, input_price, cache_write_price, priority", ", 'eu', '{}', 99, 0, 7, 1")
	route(other, "unlisted", ", max_output_tokens, output_price, priority", ", 3, 4, 2")
	route(other, "unknown", ", priority", ", 3")
	hash := sha256.Sum256([]byte("secret"))
	f.exec(`INSERT INTO api_keys (id, user_id, name, hint, secret_hash, strategy, timeout_ms) VALUES ($1, $2, 'k', '', $3, 'least_busy', 1500)`, id.New[id.Key](), f.user, hash[:])
	if err := f.store.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := f.store.Current()

	k, _ := s.KeyByHash(hash)
	if k.Strategy != "least_busy" || k.Timeout != 1500*time.Millisecond {
		t.Errorf("key %+v", k)
	}
	m, _ := s.Model("plain")
	if m.Balance != (snapshot.Balance{Latency: 1, Price: 1, Errors: 10}) || m.Hedge || m.RetryBudget != 10 || m.FailoverRefused {
		t.Errorf("a model that says nothing: %+v", m)
	}
	p, _ := s.ProviderBySlug("vendor")
	if m.Routes[0].Upstream != p.Models["gpt"] {
		t.Error("a route without overrides has a model of its own")
	}
	m, _ = s.Model("other")
	if m.Balance != (snapshot.Balance{Price: 2.5, Errors: 1}) || !m.Hedge || m.RetryBudget != 0 || !m.FailoverRefused {
		t.Errorf("a model that says it all: %+v", m)
	}
	price := func(n money.Price) *money.Price { return &n }
	want := []*snapshot.ProviderModel{
		{UpstreamID: "gpt", Rate: pricing.Rate{Input: price(0), CacheWrite: price(7), Output: price(20)}, Context: 99, MaxOutput: 500, Lacks: llm.Abilities},
		{UpstreamID: "unlisted", Rate: pricing.Rate{Output: price(4)}, MaxOutput: 3},
		nil,
	}
	for i, r := range m.Routes {
		if diff := cmp.Diff(want[i], r.Upstream, cmp.AllowUnexported(snapshot.ProviderModel{}, secret.Text{})); diff != "" {
			t.Errorf("route %d (-want +got):\n%s", i, diff)
		}
	}
	if m.Routes[0].Region != "eu" || *p.Models["gpt"].Rate.Input != 10 || p.Models["gpt"].Lacks == llm.Abilities {
		t.Errorf("region %q, the provider's model %+v", m.Routes[0].Region, p.Models["gpt"])
	}

	f.run()
	alias := func(owner any, pattern, target string) {
		f.exec(`INSERT INTO aliases (id, owner_id, pattern, target) VALUES ($1, $2, $3, $4)`, id.New[id.Alias](), owner, pattern, target)
	}
	alias(nil, "v-*", "vendor/*")
	alias(f.user, "v-gpt", "plain")
	leads := func(k *snapshot.Key, name, target string) func(*snapshot.Snapshot) bool {
		return func(s *snapshot.Snapshot) bool { return s.Target(k, name) == target }
	}
	f.within(time.Second, leads(k, "v-gpt", "plain"))
	f.within(time.Second, leads(&snapshot.Key{}, "v-gpt", "vendor/gpt"))
	f.exec(`UPDATE aliases SET target = 'other' WHERE owner_id = $1`, f.user)
	f.within(time.Second, leads(k, "v-gpt", "other"))
	f.exec(`DELETE FROM aliases`)
	f.within(time.Second, leads(k, "v-gpt", "v-gpt"))
}

// What keys and users may spend is followed within a second, and what is spent makes nobody reload.
func TestLoadBudgets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	hash := sha256.Sum256([]byte("secret"))
	key, account := id.New[id.Key](), id.New[id.Account]()
	f.exec(`INSERT INTO credit_accounts (id, user_id) VALUES ($1, $2)`, account, f.user)
	f.exec(`INSERT INTO api_keys (id, user_id, name, hint, secret_hash) VALUES ($1, $2, 'k', '', $3)`, key, f.user, hash[:])
	if err := f.store.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.run()
	has := func(want ...snapshot.Budget) func(*snapshot.Snapshot) bool {
		return func(s *snapshot.Snapshot) bool {
			k, ok := s.KeyByHash(hash)
			return ok && cmp.Equal(k.Budgets, want)
		}
	}
	f.within(time.Second, has())
	own := snapshot.Budget{Owner: key.UUID, Window: "day", Amount: 7, Whose: "this key"}
	f.exec(`UPDATE api_keys SET budget = 7, budget_window = 'day'`)
	f.within(time.Second, has(own))
	f.exec(`UPDATE credit_accounts SET monthly_budget = 9`)
	f.within(time.Second, has(own, snapshot.Budget{Owner: f.user.UUID, Window: "month", Amount: 9, Whose: "this user"}))
	f.exec(`UPDATE credit_accounts SET daily_budget = 8, monthly_budget = NULL`)
	f.within(time.Second, has(own, snapshot.Budget{Owner: f.user.UUID, Window: "day", Amount: 8, Whose: "this user"}))
}
