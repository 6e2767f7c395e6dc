package catalog_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/secret"
	"aihigress/internal/upstream"
)

// shelf is a server of price catalogues that nobody has to reach.
type shelf struct {
	body  string
	etag  string
	err   error
	asked []string // with which etags
}

func (s *shelf) ReadListing(_ context.Context, _ secret.Text, _ []string, etag string, _ int64) ([]byte, string, bool, error) {
	s.asked = append(s.asked, etag)
	if s.err != nil {
		return nil, "", false, s.err
	}
	if etag != "" && etag == s.etag {
		return nil, etag, false, nil
	}
	return []byte(s.body), s.etag, true, nil
}

func (f *fixture) book(s *shelf, address string, dollars money.Price) *catalog.Book {
	return catalog.NewBook(catalog.BookOptions{
		Pool: f.pool, Audit: f.audit, Reader: s, Source: catalog.Source{Address: secret.NewText(address)}, CreditsPerDollar: dollars,
	})
}

func (f *fixture) known(b *catalog.Book, preset, upstreamID string) (catalog.PresetModel, bool) {
	f.t.Helper()
	v, err := b.Vendor(f.admin, f.pool, preset)
	if err != nil {
		f.t.Fatal(err)
	}
	return v.Known(upstreamID)
}

func (f *fixture) refresh(b *catalog.Book) catalog.Refresh {
	f.t.Helper()
	done, err := b.Refresh(f.admin)
	if err != nil {
		f.t.Fatal(err)
	}
	return done
}

const address = "https://prices.example.com/api.json?token=canary"

// vendor is a catalogue with some models of Anthropic's.
func vendor(models string) string {
	return `{"anthropic":{"models":{` + models + `}},"nobody":{"models":5}}`
}

func perMillion(text string) *money.Price {
	p, err := money.ParsePrice(text)
	if err != nil {
		panic(err)
	}
	return &p
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	f := open(t)
	s := &shelf{etag: `"one"`, body: vendor(`
		"claude-haiku-4-5": {"name": "Haiku", "reasoning": true, "limit": {"context": 7, "output": 0}, "modalities": {"input": ["text", "image"]},
			"cost": {"input": 1.5, "output": 7.25, "cache_read": 0.15, "cache_write": null, "reasoning": 8, "input_audio": 0.0000015, "output_audio": 1,
				"tiers": [{"tier": {"size": 300000}, "input": 3}, {"tier": {"size": 100000, "type": "context"}, "input": 2, "output": 9}]}},
		"long": {"cost": {"input": 1, "output": 2, "context_over_200k": {"input": 2, "output": 4, "cache_read": 0.5}}},
		"free": {"cost": {"input": 0, "output": 0}},
		"nothing": {}`)}
	b := f.book(s, address, 0)
	if last, err := b.LastRefresh(f.admin); err != nil || !last.Enabled || last.TriedAt != nil || last.Source != "https://prices.example.com/api.json" {
		t.Errorf("before the first: %+v, %v", last, err)
	}
	built, _ := catalog.Known("anthropic", "claude-sonnet-4-5-20250929")
	if done := f.refresh(b); done.Models != 2 || done.Changed != 2 || done.Unpriced != 2 || done.LeftOut != 0 || done.Error != "" || done.ReadAt == nil || done.ChangedAt == nil {
		t.Errorf("first: %+v", done)
	}
	haiku, ok := f.known(b, "anthropic", "claude-haiku-4-5")
	want := pricing.Rate{Input: perMillion("1.5"), Output: perMillion("7.25"), CachedInput: perMillion("0.15"), Rare: &pricing.Rare{
		Reasoning: perMillion("8"), AudioInput: perMillion("0.000002"), AudioOutput: perMillion("1"),
		Tiers: []pricing.Tier{{Above: 100_000, Input: perMillion("2"), Output: perMillion("9")}, {Above: 300_000, Input: perMillion("3")}},
	}}
	if !ok || !haiku.Rate.Equal(want) || haiku.Context != 7 || haiku.Name != "Haiku" || !slices.Equal(haiku.Capabilities, []string{"text", "reasoning", "vision"}) {
		t.Errorf("%+v, %t", haiku, ok)
	}
	long, _ := f.known(b, "anthropic", "long")
	if tiers := long.Rate.Rare.Tiers; len(tiers) != 1 || tiers[0].Above != 200_000 || *tiers[0].CachedInput != *perMillion("0.5") {
		t.Errorf("%+v", tiers)
	}
	if _, ok := f.known(b, "anthropic", "free"); ok {
		t.Error("a model that costs nothing has a price")
	}
	if m, ok := f.known(b, "anthropic", "claude-sonnet-4-5-20250929"); ok != (built.ID != "") || !m.Rate.Equal(built.Rate) {
		t.Errorf("what is built in is gone: %+v", m)
	}
	if m, ok := f.known(b, "", "claude-haiku-4-5"); ok {
		t.Errorf("without a preset: %+v", m)
	}

	// The same again is not read again, not even by another node that starts now.
	b = f.book(s, address, 0)
	if done := f.refresh(b); done.Changed != 2 || done.Models != 2 || done.Error != "" || !slices.Equal(s.asked, []string{"", `"one"`}) {
		t.Errorf("the same: %+v, asked with %q", done, s.asked)
	}
	// Another address has no part in it, and another body of the same content changes nothing.
	other := f.book(s, "https://prices.example.com/api.json?token=another", 0)
	if done := f.refresh(other); done.Changed != 0 || s.asked[2] != "" {
		t.Errorf("another address: %+v, asked with %q", done, s.asked[2])
	}

	// What fails leaves everything as it was.
	for body, want := range map[string]string{`[]`: "not a catalogue", `{`: "not a catalogue", `{}`: "not a catalogue", vendor(`"free":{}`): "not a catalogue", `{"anthropic": NaN}`: "not a catalogue", `{"anthropic": []}`: "not a catalogue"} {
		s.body, s.etag = body, ""
		if done := f.refresh(b); !strings.Contains(done.Error, want) || done.Models != 2 || done.ReadAt == nil || !done.ReadAt.Before(*done.TriedAt) {
			t.Errorf("%s: %+v", body, done)
		}
	}
	s.err = fault.New(fault.Upstream, "the catalogue's server answered HTTP 500")
	if done := f.refresh(b); done.Error != "the catalogue's server answered HTTP 500" {
		t.Errorf("%+v", done)
	}
	s.err = fmt.Errorf("dial canary")
	if done := f.refresh(b); strings.Contains(done.Error, "canary") {
		t.Errorf("a cause is shown: %q", done.Error)
	}
	if again, _ := f.known(b, "anthropic", "claude-haiku-4-5"); !again.Rate.Equal(want) {
		t.Errorf("after failures: %+v", again.Rate)
	}

	// A model that is listed no more, or no more with a price, keeps what it had; so does one that would lose its price for output.
	s.err, s.body, s.etag = nil, vendor(`"long": {"cost": {"input": 5}}, "claude-haiku-4-5": {"cost": {"input": 0, "output": 0}}, "new": {"cost": {"input": 1}}`), `"two"`
	if done := f.refresh(b); done.Changed != 1 || done.LeftOut != 1 || done.Unpriced != 1 || len(done.Problems) != 1 || done.Error != "" {
		t.Errorf("worse: %+v", done)
	}
	if again, _ := f.known(b, "anthropic", "claude-haiku-4-5"); !again.Rate.Equal(want) {
		t.Errorf("it lost its price: %+v", again.Rate)
	}
	if again, _ := f.known(b, "anthropic", "long"); *again.Rate.Input != *perMillion("1") {
		t.Errorf("it lost a price: %+v", again.Rate)
	}
	if got := f.actions(); !slices.Equal(got, []string{"catalog.refresh", "catalog.refresh"}) {
		t.Errorf("audited: %q", got)
	}
}

// TestHostileListings: what cannot be believed of a model leaves that one out, counted and named, and no other.
func TestHostileListings(t *testing.T) {
	t.Parallel()
	f := open(t)
	price := func(text string) string { return `{"cost": {"input": 1, "output": ` + text + `}}` }
	tier := func(text string) string { return `{"cost": {"input": 1, "output": 2, "tiers": ` + text + `}}` }
	for why, model := range map[string]string{
		"negative": price("-0.01"), "a text": price(`"1"`), "NaN as text": price(`"NaN"`), "overflow": price("1e999"), "absurd": price("10000.1"), "huge": price("1e300"),
		"underflow": price("1e-9"), "an object": price(`{}`), "a list": price(`[1]`), "true": price("true"),
		"negative for sound": `{"cost": {"input": 1, "output_audio": -1}}`, "an unknown kind": `{"cost": {"input": 1, "output": 1, "request": 5}}`,
		"in capitals": `{"cost": {"INPUT": 1}}`, "no object": `5`, "cost no object": `{"cost": 5}`, "a limit": `{"limit": {"context": -1}, "cost": {"input": 1}}`,
		"a limit of a fraction": `{"limit": {"context": 1.5}, "cost": {"input": 1}}`, "a vast limit": `{"limit": {"output": 1e18}, "cost": {"input": 1}}`,
		"a tier below": tier(`[{"tier": {"size": -5}, "input": 1}]`), "two tiers alike": tier(`[{"tier": {"size": 5}}, {"tier": {"size": 5}}]`),
		"a tier of another kind": tier(`[{"tier": {"size": 5, "type": "hour"}, "input": 1}]`), "a tier with something unknown": tier(`[{"tier": {"size": 5}, "request": 1}]`),
		"nine tiers": tier(`[` + strings.Repeat(`{"tier": {"size": 1}},`, 8) + `{"tier": {"size": 2}}]`), "tiers no list": tier(`5`), "a negative tier": tier(`[{"tier": {"size": 5}, "output": -1}]`),
		"a vast tier": tier(`[{"tier": {"size": 100000001}, "input": 1}]`), "long no object": `{"cost": {"input": 1, "context_over_200k": 5}}`,
	} {
		s := &shelf{body: vendor(`"bad": ` + model + `, "good": {"cost": {"input": 1}}`)}
		b := f.book(s, address, 0)
		done := f.refresh(b)
		if done.LeftOut != 1 || done.Models != 1 || len(done.Problems) != 1 || !strings.HasPrefix(done.Problems[0], `anthropic/"bad": `) {
			t.Errorf("%s: %+v", why, done)
		}
		if m, ok := f.known(b, "anthropic", "bad"); ok {
			t.Errorf("%s has a price: %+v", why, m.Rate)
		}
	}
	for why, name := range map[string]string{"empty": ``, "spaces": `a b`, "NUL": `a\u0000`, "long": strings.Repeat("x", 201), "a bell": `\u0007`} {
		s := &shelf{body: vendor(`"` + name + `": {"cost": {"input": 1}}, "good": {"name": "a\u0000b", "cost": {"input": 1}}`)}
		if done := f.refresh(f.book(s, address, 0)); done.LeftOut != 1 || done.Error != "" {
			t.Errorf("%s: %+v", why, done)
		}
	}
	many := &strings.Builder{}
	for i := range 30 {
		fmt.Fprintf(many, `"bad-%d": {"cost": {"input": -1}},`, i)
	}
	if done := f.refresh(f.book(&shelf{body: vendor(many.String() + `"good": {"cost": {"input": 1}}`)}, address, 0)); done.LeftOut != 30 || len(done.Problems) != 20 {
		t.Errorf("many: %+v", done)
	}
}

// TestPricesInCredits: where a dollar is not a credit, prices of both catalogues are converted, rounded half up, and none becomes zero.
func TestPricesInCredits(t *testing.T) {
	t.Parallel()
	f := open(t)
	s := &shelf{body: vendor(`"m": {"cost": {"input": 0.000001, "output": 3, "reasoning": 1, "tiers": [{"tier": {"size": 5}, "input": 2}]}}`)}
	yuan := f.book(s, address, *perMillion("7.2"))
	f.refresh(yuan)
	m, _ := f.known(yuan, "anthropic", "m")
	if *m.Rate.Input != 7 || *m.Rate.Output != *perMillion("21.6") || *m.Rate.Rare.Reasoning != *perMillion("7.2") || *m.Rate.Rare.Tiers[0].Input != *perMillion("14.4") {
		t.Errorf("%+v", m.Rate)
	}
	if m, _ := f.known(f.book(s, address, 1), "anthropic", "m"); *m.Rate.Input != 1 || *m.Rate.Output != 3 {
		t.Errorf("%+v", m.Rate)
	}
	if m, _ := f.known(f.book(s, address, catalog.MaxCreditsPerDollar), "anthropic", "m"); *m.Rate.Output != *perMillion("3000000") {
		t.Errorf("%+v", m.Rate)
	}
	built, _ := catalog.Known("anthropic", "claude-haiku-4-5-20251001")
	if m, _ := f.known(yuan, "anthropic", "claude-haiku-4-5-20251001"); *m.Rate.Input != *built.Rate.Input*72/10 {
		t.Errorf("built in %s, in credits %s", built.Rate.Input, m.Rate.Input)
	}
}

func TestRefreshIsForAdmins(t *testing.T) {
	t.Parallel()
	f := open(t)
	b := f.book(&shelf{}, "", 0)
	if _, err := b.Refresh(f.admin); !errors.Is(err, fault.Invalid) {
		t.Errorf("without a source: %v", err)
	}
	if last, err := b.LastRefresh(f.admin); err != nil || last.Enabled {
		t.Errorf("%+v, %v", last, err)
	}
	for _, err := range []error{second(b.Refresh(f.member)), second(b.LastRefresh(f.member)), second(b.Repriced(f.member, 1))} {
		if !errors.Is(err, fault.Denied) {
			t.Errorf("by a member: %v", err)
		}
	}
}

// TestSnapshotOfModelsDev reads a real catalogue, where there is one at hand.
func TestSnapshotOfModelsDev(t *testing.T) {
	t.Parallel()
	raw := snapshotOfModelsDev(t)
	var vendors map[string]struct {
		Models map[string]struct{ Cost map[string]any }
	}
	if err := json.Unmarshal(raw, &vendors); err != nil {
		t.Fatal(err)
	}
	f := open(t)
	var sent atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		if r.Header.Get("If-None-Match") == `"one"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		sent.Add(1)
		_, _ = w.Write(raw)
	}))
	t.Cleanup(server.Close)
	b := catalog.NewBook(catalog.BookOptions{
		Pool: f.pool, Audit: f.audit, Reader: upstream.New(upstream.Options{AllowLoopback: true}), Source: catalog.Source{Address: secret.NewText(server.URL)},
	})
	done := f.refresh(b)
	t.Logf("%d models, %d without a price, %d left out: %q", done.Models, done.Unpriced, done.LeftOut, done.Problems)
	if done.Models < 500 || done.Changed != done.Models || done.LeftOut*100 > done.Models {
		t.Errorf("%d models, %d changed, %d left out: %q", done.Models, done.Changed, done.LeftOut, done.Problems)
	}
	checked := 0
	for _, p := range catalog.Presets() {
		v, err := b.Vendor(f.admin, f.pool, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		for upstreamID, listed := range vendors[p.ID].Models {
			dollars, ok := listed.Cost["input"].(float64)
			if !ok || dollars == 0 {
				continue
			}
			want, err := money.PriceFromFloat(dollars)
			if m, known := v.Known(upstreamID); known && err == nil && m.Rate.Input != nil && *m.Rate.Input == want {
				checked++
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d models have the catalogue's price", checked)
	}
	again := f.refresh(b)
	if again.Error != "" || again.ReadAt.Equal(*done.ReadAt) || !again.ChangedAt.Equal(*done.ChangedAt) || sent.Load() != 1 {
		t.Errorf("the same again, sent %d times: %+v", sent.Load(), again)
	}
}

func snapshotOfModelsDev(t *testing.T) []byte {
	t.Helper()
	file, err := os.Open("../../../shared/data/models-dev-catalog.json.gz")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no catalogue is at hand")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
