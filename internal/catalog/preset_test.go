package catalog_test

import (
	"net/url"
	"strings"
	"testing"

	"aihigress/internal/catalog"
	"aihigress/internal/money"
)

func TestPresets(t *testing.T) {
	t.Parallel()
	seen, spoken := map[string]bool{}, map[string]bool{}
	for _, p := range catalog.Presets() {
		base, err := url.Parse(p.BaseURL)
		if err != nil || base.Scheme != "https" || base.Host == "" || strings.HasSuffix(p.BaseURL, "/") {
			t.Errorf("%s: base URL %q", p.ID, p.BaseURL)
		}
		if seen[p.ID] || p.Name == "" || len(p.Models) == 0 {
			t.Errorf("preset %q, name %q, %d models, seen before %v", p.ID, p.Name, len(p.Models), seen[p.ID])
		}
		seen[p.ID], spoken[p.Dialect+" "+p.Kind] = true, true
		if strings.Contains(p.BaseURL, catalog.Project) != (p.Kind == "vertex") {
			t.Errorf("%s: base URL %q of kind %s", p.ID, p.BaseURL, p.Kind)
		}
		for _, m := range p.Models {
			for _, price := range []*money.Price{m.Rate.Input, m.Rate.Output, m.Rate.CachedInput, m.Rate.CacheWrite} {
				if price != nil && *price <= 0 {
					t.Errorf("%s %s: a price of %s passes for known", p.ID, m.ID, price)
				}
			}
		}
	}
	for _, want := range []string{"openai", "anthropic", "gemini", "openrouter", "groq", "openai-responses", "vertexai", "vertexai-anthropic"} {
		if !seen[want] {
			t.Errorf("no preset %s", want)
		}
	}
	for _, way := range []string{"openai direct", "responses direct", "anthropic direct", "gemini direct", "gemini vertex", "anthropic vertex"} {
		if !spoken[way] {
			t.Errorf("no preset for %s", way)
		}
	}
	for _, unspoken := range []string{"azure", "bedrock", "copilot"} {
		if seen[unspoken] {
			t.Errorf("preset %s cannot be called", unspoken)
		}
	}
}

// The catalogue's names for the two cache prices are easily taken for each other: a read is cheaper than the input, a
// write dearer, at the one vendor that charges for both.
func TestKnownTellsCacheReadFromWrite(t *testing.T) {
	t.Parallel()
	m, ok := catalog.Known("anthropic", "claude-haiku-4-5-20251001")
	if !ok {
		t.Fatal("the catalogue lost the model")
	}
	r := m.Rate
	if *r.CachedInput >= *r.Input || *r.Input >= *r.CacheWrite || *r.CacheWrite >= *r.Output {
		t.Errorf("read %s, input %s, write %s, output %s", r.CachedInput, r.Input, r.CacheWrite, r.Output)
	}
	if *r.Input != 1_000_000 || *r.Output != 5_000_000 {
		t.Errorf("input %s, output %s, want 1 and 5 a million", r.Input, r.Output)
	}
	if _, ok := catalog.Known("openai", "claude-haiku-4-5-20251001"); ok {
		t.Error("a vendor's model is known of another")
	}
}
