package provider_test

import (
	"slices"
	"strings"
	"testing"

	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/provider"
)

// source is where a model's capabilities were told.
func (f *fixture) source(m id.ProviderModel) (source string) {
	f.Helper()
	if err := f.pool.QueryRow(f.Context(), `SELECT capabilities_source FROM provider_models WHERE id = $1`, m).Scan(&source); err != nil {
		f.Fatal(err)
	}
	return source
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	f := open(t)
	const haiku = "claude-haiku-4-5-20251001"
	known, _ := catalog.Known("anthropic", haiku)
	if !slices.Contains(known.Capabilities, "vision") || known.Capabilities[0] != llm.TextOnly {
		t.Fatalf("the catalogue says %q", known.Capabilities)
	}
	made := f.create(provider.CreateInput{Slug: "claude", PresetID: "anthropic", Models: []provider.ModelInput{
		{UpstreamID: haiku}, {UpstreamID: "by-hand", Capabilities: []string{"Tools", "function_calling", "VISION"}}, {UpstreamID: "unsaid"},
	}})
	holds := func(when, upstream, source string, want ...string) {
		t.Helper()
		m := f.models(made.ID)[upstream]
		if !slices.Equal(m.Capabilities, want) || f.source(m.ID) != source {
			t.Errorf("%s: %s has %q by %q, want %q by %q", when, upstream, m.Capabilities, f.source(m.ID), want, source)
		}
	}
	holds("made", haiku, "catalog", known.Capabilities...)
	holds("made", "by-hand", "manual", "tools", "vision")
	holds("made", "unsaid", "")

	set := func(upstream string, list ...string) error {
		_, err := f.SetModel(f.admin, f.models(made.ID)[upstream].ID, provider.ModelChange{Capabilities: &list})
		return err
	}
	if err := set(haiku, "text"); err != nil {
		t.Fatal(err)
	}
	f.vendor.models = []string{haiku}
	f.discover(made.ID)
	holds("set, and discovered", haiku, "manual", "text")
	if err := set(haiku); err != nil {
		t.Fatal(err)
	}
	holds("given back", haiku, "catalog", known.Capabilities...)

	err := set("by-hand", "vision", "teleport")
	refused, ok := fault.As(err)
	if !ok || refused.Kind != fault.Invalid || !slices.Equal(refused.Path, []string{"capabilities"}) || !strings.Contains(refused.Message, "structured_output") {
		t.Errorf("a capability that there is not: %v", err)
	}
	holds("refused", "by-hand", "manual", "tools", "vision")
}

// What the release before wrote down says nothing of what a model lacks. A list that is the catalogue's becomes so at the
// next discovery; another is left alone, odd words too.
func TestCapabilitiesFromBefore(t *testing.T) {
	t.Parallel()
	f := open(t)
	const haiku, opus = "claude-haiku-4-5-20251001", "claude-opus-4-5-20251101"
	known, ok := catalog.Known("anthropic", opus)
	if !ok {
		t.Fatalf("the catalogue does not know %s", opus)
	}
	made := f.create(provider.CreateInput{Slug: "claude", PresetID: "anthropic", Models: []provider.ModelInput{{UpstreamID: haiku}, {UpstreamID: opus}}})
	f.exec(`UPDATE provider_models SET capabilities = '{teleport}', capabilities_source = '' WHERE upstream_id = $1`, haiku)
	f.exec(`UPDATE provider_models SET capabilities = array_remove(capabilities, 'text'), capabilities_source = '' WHERE upstream_id = $1`, opus)
	alias := "small"
	if _, err := f.SetModel(f.admin, f.models(made.ID)[haiku].ID, provider.ModelChange{Alias: &alias}); err != nil {
		t.Errorf("an odd word from before is in the way: %v", err)
	}
	f.vendor.models = []string{haiku, opus}
	f.discover(made.ID)
	models := f.models(made.ID)
	if m := models[haiku]; !slices.Equal(m.Capabilities, []string{"teleport"}) || f.source(m.ID) != "" {
		t.Errorf("%q by %q", m.Capabilities, f.source(m.ID))
	}
	if m := models[opus]; !slices.Equal(m.Capabilities, known.Capabilities) || f.source(m.ID) != "catalog" {
		t.Errorf("%q by %q", m.Capabilities, f.source(m.ID))
	}
}
