package provider_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
)

func (f *fixture) models(p id.Provider) map[string]provider.Model {
	f.Helper()
	list, err := f.Models(f.admin, p)
	if err != nil {
		f.Fatal(err)
	}
	models := map[string]provider.Model{}
	for _, m := range list {
		models[m.UpstreamID] = m
	}
	return models
}

func (f *fixture) discover(p id.Provider) provider.Discovery {
	f.Helper()
	d, err := f.Discover(f.admin, p)
	if err != nil {
		f.Fatal(err)
	}
	return d
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	f := open(t)
	const haiku = "claude-haiku-4-5-20251001"
	known, _ := catalog.Known("anthropic", haiku)
	made := f.create(provider.CreateInput{Slug: "claude", PresetID: "anthropic", Models: []provider.ModelInput{{UpstreamID: "by-hand"}}})
	f.vendor.models = []string{haiku, "unheard-of", "two words", "", "unheard-of"}
	d := f.discover(made.ID)
	slices.Sort(d.Added)
	if want := []string{haiku, "unheard-of"}; !slices.Equal(d.Added, want) || d.Listed != 2 || len(d.Missing) != 0 {
		t.Errorf("first: %+v", d)
	}
	models := f.models(made.ID)
	if m := models[haiku]; m.PriceSource != provider.PriceCatalog || *m.Rate.Input != *known.Rate.Input || m.Source != provider.Discovered {
		t.Errorf("%+v", m)
	}
	if m := models["unheard-of"]; m.PriceSource != provider.PriceUnknown || m.Rate != (pricing.Rate{}) {
		t.Errorf("a price from nowhere: %+v", m)
	}
	if d := f.discover(made.ID); d.Changed() {
		t.Errorf("second, with nothing new: %+v", d)
	}

	// A price by hand stays; the model that is listed no more goes missing and comes back; the one by hand never does.
	free := money.Price(0)
	if _, err := f.SetModel(f.admin, models[haiku].ID, provider.ModelChange{Rate: &pricing.Rate{Input: &free, Output: &free}}); err != nil {
		t.Fatal(err)
	}
	f.vendor.models = []string{haiku}
	if d := f.discover(made.ID); !slices.Equal(d.Missing, []string{"unheard-of"}) || len(d.Repriced) != 0 {
		t.Errorf("third: %+v", d)
	}
	models = f.models(made.ID)
	if models["unheard-of"].MissingSince == nil || models["by-hand"].MissingSince != nil {
		t.Errorf("missing: %v", models)
	}
	if m := models[haiku]; m.PriceSource != provider.PriceManual || *m.Rate.Input != 0 {
		t.Errorf("a price by hand was changed: %+v", m)
	}
	f.vendor.models = []string{haiku, "unheard-of"}
	if d := f.discover(made.ID); !slices.Equal(d.Back, []string{"unheard-of"}) || f.models(made.ID)["unheard-of"].MissingSince != nil {
		t.Errorf("fourth: %+v", d)
	}

	// The catalogue's price follows the catalogue.
	if m, err := f.SetModel(f.admin, models[haiku].ID, provider.ModelChange{Rate: &pricing.Rate{}}); err != nil || m.PriceSource != provider.PriceCatalog {
		t.Errorf("given back: %+v, %v", m, err)
	}
	f.exec("UPDATE provider_models SET input_price = 1 WHERE upstream_id = $1", haiku)
	if d := f.discover(made.ID); !slices.Equal(d.Repriced, []string{haiku}) || *f.models(made.ID)[haiku].Rate.Input != *known.Rate.Input {
		t.Errorf("fifth: %+v", d)
	}
}

// TestDiscoverOfAPlaceThatWasLeft holds that what the old address lists is not taken for the new one's.
func TestDiscoverOfAPlaceThatWasLeft(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	f.vendor.models = []string{"of-the-old-place"}
	f.vendor.during = func() {
		base := "https://elsewhere.example/v1"
		if _, err := f.Update(f.admin, made.ID, provider.UpdateInput{BaseURL: &base}); err != nil {
			t.Error(err)
		}
	}
	if d := f.discover(made.ID); d.Changed() || len(f.models(made.ID)) != 0 {
		t.Errorf("took over %+v", d)
	}
}

// A periodic discovery that finds nothing new must not make every node read its configuration.
func TestDiscoverOfNothingNewIsSilent(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	f.vendor.models = []string{"a", "b"}
	f.discover(made.ID)
	conn, err := pgx.ConnectConfig(t.Context(), f.pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "LISTEN configuration"); err != nil {
		t.Fatal(err)
	}
	f.discover(made.ID)
	f.exec("NOTIFY configuration, 'end'")
	if n, err := conn.WaitForNotification(t.Context()); err != nil || n.Payload != "end" {
		t.Errorf("announced %+v, %v", n, err)
	}
}

func TestDiscoverOfAVendorThatFails(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	f.vendor.models = []string{"a"}
	f.discover(made.ID)
	f.vendor.models = nil
	if _, err := f.Discover(f.admin, made.ID); !errors.Is(err, fault.Upstream) {
		t.Errorf("empty list: %v", err)
	}
	f.vendor.listErr = fault.New(fault.Upstream, "no").WithCode("http_404")
	if _, err := f.Discover(f.admin, made.ID); !errors.Is(err, fault.Upstream) {
		t.Errorf("no list, no preset: %v", err)
	}
	if m := f.models(made.ID)["a"]; m.MissingSince != nil {
		t.Error("a failure made models go missing")
	}
	claude := f.create(provider.CreateInput{Slug: "claude", PresetID: "anthropic"})
	if d := f.discover(claude.ID); len(d.Added) < 5 {
		t.Errorf("no list, but the catalogue knows: %+v", d)
	}
	if _, err := f.Discover(f.admin, id.New[id.Provider]()); !errors.Is(err, fault.NotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	one, two, minus := money.Price(1), money.Price(2), money.Price(-1)
	m, err := f.UpsertModel(f.admin, made.ID, provider.ModelInput{UpstreamID: "m", Rate: &pricing.Rate{Input: &one, Output: &two}, ContextTokens: 8})
	if err != nil || m.PriceSource != provider.PriceManual || *m.Rate.Output != 2 || m.ContextTokens != 8 {
		t.Fatalf("%+v, %v", m, err)
	}
	again, err := f.UpsertModel(f.admin, made.ID, provider.ModelInput{UpstreamID: "m", Alias: "n"})
	if err != nil || again.ID != m.ID || again.Alias != "n" || *again.Rate.Output != 2 || again.ContextTokens != 0 {
		t.Errorf("%+v, %v", again, err)
	}
	off := false
	if m, err = f.SetModel(f.admin, m.ID, provider.ModelChange{Enabled: &off}); err != nil || m.Enabled || m.Alias != "n" {
		t.Errorf("%+v, %v", m, err)
	}
	_, err = f.SetModel(f.admin, m.ID, provider.ModelChange{Rate: &pricing.Rate{Input: &minus}})
	if failure, ok := fault.As(err); !ok || failure.Kind != fault.Invalid || strings.Join(failure.Path, ".") != "inputPrice" {
		t.Errorf("negative price: %v", err)
	}
	if err := f.RemoveModel(f.admin, m.ID); err != nil || len(f.models(made.ID)) != 0 {
		t.Errorf("removed: %v", err)
	}
}

// On Vertex AI the right to call models is not the right to list them.
func TestDiscoverOfVertexThatDoesNotList(t *testing.T) {
	t.Parallel()
	f := open(t)
	in := vertex()
	in.PresetID = "vertexai"
	made := f.create(in)
	f.vendor.listErr = fault.New(fault.Upstream, "the provider answered HTTP 403").WithCode("http_403")
	f.discover(made.ID)
	models := f.models(made.ID)
	if m, ok := models["gemini-2.5-pro"]; !ok || m.PriceSource != provider.PriceCatalog || len(models) < 3 {
		t.Errorf("%v", models)
	}
	if _, claude := models["claude-sonnet-4-6"]; claude {
		t.Error("a provider of Gemini lists Claude")
	}
	if direct := f.create(input()); second(f.Discover(f.admin, direct.ID)) == nil {
		t.Error("a refusal passes for an empty list")
	}
}
