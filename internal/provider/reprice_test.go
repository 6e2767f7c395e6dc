package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	"aihigress/internal/audit"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
)

// TestPricesFollowTheCatalogue: what a catalogue says reaches models at once and stays through discoveries; what was set by hand
// is never touched, and the data plane has a version of each price that was in force.
func TestPricesFollowTheCatalogue(t *testing.T) {
	t.Parallel()
	f := open(t)
	var body atomic.Value
	body.Store(`{"anthropic":{"models":{"claude-haiku-4-5-20251001":{"modalities":{"input":["text"]},"cost":{"input":9,"output":90}},
		"claude-x":{"cost":{"input":2,"output":3}},"by-hand":{"cost":{"input":4,"output":5}}}}}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body.Load().(string))) }))
	t.Cleanup(server.Close)
	book := func() *catalog.Book {
		return catalog.NewBook(catalog.BookOptions{
			Pool: f.pool, Audit: audit.New(f.pool), Reader: upstream.New(upstream.Options{AllowLoopback: true}), Source: catalog.Source{Address: secret.NewText(server.URL)},
		})
	}
	f.with(book())
	made := f.create(provider.CreateInput{Slug: "claude", PresetID: "anthropic", Models: []provider.ModelInput{
		{UpstreamID: "by-hand", Rate: &pricing.Rate{Input: new(money.Price(1)), Output: new(money.Price(2))}},
	}})
	const haiku = "claude-haiku-4-5-20251001"
	f.vendor.models = []string{haiku, "claude-x"}
	f.discover(made.ID)
	if m := f.models(made.ID)["claude-x"]; m.PriceSource != provider.PriceUnknown {
		t.Fatalf("%+v", m)
	}
	done, err := f.RefreshPrices(f.admin)
	if err != nil || done.Repriced != 2 || done.Changed != 3 || done.Error != "" {
		t.Fatalf("%+v, %v", done, err)
	}
	check := func(when, haikuInput string) {
		t.Helper()
		models := f.models(made.ID)
		if m := models[haiku]; m.PriceSource != provider.PriceCatalog || m.Rate.Input.String() != haikuInput || !slices.Equal(m.Capabilities, []string{"text"}) {
			t.Errorf("%s: %+v", when, m)
		}
		if m := models["claude-x"]; m.PriceSource != provider.PriceCatalog || m.Rate.Output.String() != "3" {
			t.Errorf("%s: %+v", when, m)
		}
		if m := models["by-hand"]; m.PriceSource != provider.PriceManual || *m.Rate.Input != 1 {
			t.Errorf("%s: %+v", when, m)
		}
	}
	check("refreshed", "9")
	if d := f.discover(made.ID); d.Changed() {
		t.Errorf("a discovery took it back: %+v", d)
	}
	store := snapshot.NewStore(f.pool, "", f.keyring, nil)
	versions := func() []string {
		t.Helper()
		if err := store.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		return f.strings("SELECT rate->>'input' FROM price_versions ORDER BY first_seen_at, id")
	}
	before := len(versions())
	body.Store(`{"anthropic":{"models":{"claude-haiku-4-5-20251001":{"modalities":{"input":["text"]},"cost":{"input":8,"output":80}}}}}`)
	if done, err = f.RefreshPrices(f.admin); err != nil || done.Repriced != 1 || done.Changed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if after := versions(); len(after) != before+1 || after[before] != "8" {
		t.Errorf("versions %q", after)
	}

	// A node that starts while the catalogue is away goes on with what was read.
	server.Close()
	f.with(book())
	if done, err = f.RefreshPrices(f.admin); err != nil || done.Error == "" || done.Repriced != 1 || done.Changed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if d := f.discover(made.ID); d.Changed() {
		t.Errorf("a discovery took it back: %+v", d)
	}
	check("restarted", "8")
	if m, err := f.SetModel(f.admin, f.models(made.ID)["by-hand"].ID, provider.ModelChange{Rate: &pricing.Rate{}}); err != nil || m.PriceSource != provider.PriceCatalog || m.Rate.Input.String() != "4" {
		t.Errorf("given back: %+v, %v", m, err)
	}
	if _, err := f.RefreshPrices(f.member); !errors.Is(err, fault.Denied) {
		t.Errorf("by a member: %v", err)
	}
	if _, err := f.RefreshPrices(context.Background()); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("by nobody: %v", err)
	}
}
