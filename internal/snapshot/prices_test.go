package snapshot_test

import (
	"encoding/json"
	"testing"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/snapshot"
)

// TestPricesInForceAreWrittenDown: every rate that a route has is found in the books under the name that its requests carry, with
// its factors, and stays there when another takes its place.
func TestPricesInForceAreWrittenDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	provider := f.provider("vendor")
	f.exec(`UPDATE providers SET billing_factor = 12000 WHERE id = $1`, provider)
	f.exec(`INSERT INTO provider_models (id, provider_id, upstream_id, source, input_price, output_price, rare_prices)
		VALUES ($1, $2, 'gpt', 'manual', 10, 20, '{"batch": "0.5"}'), ($3, $2, 'unpriced', 'manual', NULL, NULL, '{}'), ($4, $2, 'later', 'manual', 1, 1, '{"batch": "half"}')`,
		id.New[id.ProviderModel](), provider, id.New[id.ProviderModel](), id.New[id.ProviderModel]())
	model := id.New[id.Model]()
	f.exec(`INSERT INTO models (id, name, multiplier) VALUES ($1, 'smart', 20000)`, model)
	route := func(upstream, columns, values string) {
		f.exec(`INSERT INTO routes (id, model_id, provider_id, upstream_id`+columns+`) VALUES ($1, $2, $3, $4`+values+`)`, id.New[id.Route](), model, provider, upstream)
	}
	route("gpt", "", "")
	route("unpriced", ", priority", ", 1")
	route("later", ", priority", ", 2")
	route("own", ", priority, input_price, rare_prices", `, 3, 5, '{"tiers": [{"above": 10, "input": "6"}]}'`)
	load := func() *snapshot.Model {
		t.Helper()
		if err := f.store.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		m, _ := f.store.Current().Model("smart")
		return m
	}
	m := load()
	p, _ := f.store.Current().ProviderBySlug("vendor")
	if want := pricing.MarkupOf(12_000, 20_000); m.Routes[0].Markup != want || p.Markup != pricing.MarkupOf(12_000, pricing.One) {
		t.Errorf("markups %d and %d, want %d", m.Routes[0].Markup, p.Markup, want)
	}
	if r := m.Routes[2]; !r.Upstream.Rate.IsZero() || r.PriceVersion != "" || len(f.store.Current().Problems) == 0 {
		t.Errorf("prices that cannot be read are taken for %+v: %q", r.Upstream.Rate, f.store.Current().Problems)
	}
	written := func(version string) (v pricing.Version) {
		t.Helper()
		var raw []byte
		if err := f.pool.QueryRow(t.Context(), `SELECT rate, markup FROM price_versions WHERE id = $1`, version).Scan(&raw, &v.Markup); err != nil {
			t.Fatalf("version %q: %v", version, err)
		}
		if err := json.Unmarshal(raw, &v.Rate); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, i := range []int{0, 3} {
		r := m.Routes[i]
		if v := written(r.PriceVersion); !v.Rate.Equal(r.Upstream.Rate) || v.Markup != r.Markup || v.ID() != r.PriceVersion {
			t.Errorf("route %d: %+v is written down for %+v", i, v, r.Upstream.Rate)
		}
	}
	if m.Routes[1].PriceVersion != "" {
		t.Error("no price has a version")
	}
	before := m.Routes[0].PriceVersion
	if again := load().Routes[0].PriceVersion; again != before {
		t.Errorf("the same price is %s and %s", before, again)
	}
	f.exec(`UPDATE provider_models SET input_price = 11 WHERE upstream_id = 'gpt'`)
	after := load().Routes[0].PriceVersion
	if after == before || *written(after).Rate.Input != 11 || *written(before).Rate.Input != money.Price(10) {
		t.Errorf("versions %s and %s", before, after)
	}
}
