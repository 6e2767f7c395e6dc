package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/secret"
)

// A Book is what catalogues say of the models of presets: the built-in one, and over it the one that Refresh has read last.
type Book struct {
	pool    *pgxpool.Pool
	q       *db.Queries
	audit   *audit.Log
	reader  Reader
	source  Source
	dollars money.Price
	log     *slog.Logger
}

// A Source is where Refresh reads. The zero Source is nowhere.
type Source struct {
	Address    secret.Text // https; its query may be a secret
	AllowHosts []string    // hosts and ranges where it may be besides public ones; see package reach
}

// A Reader goes out. Failures have the kind Upstream and a message that is safe to show.
type Reader interface {
	// ReadListing reads a document of at most limit bytes. Where the server says that it is still what it was when it gave the
	// etag, fresh is false.
	ReadListing(ctx context.Context, address secret.Text, allowHosts []string, etag string, limit int64) (raw []byte, newEtag string, fresh bool, err error)
}

// BookOptions are what a Book needs. Pool and Audit are required.
type BookOptions struct {
	Pool   *pgxpool.Pool
	Audit  *audit.Log
	Reader Reader // required with a source
	Source Source
	// CreditsPerDollar is what catalogues' prices, in US dollars, are multiplied with: of a price of 1. Zero is one credit.
	CreditsPerDollar money.Price
	Log              *slog.Logger // nil is slog's default
}

// MaxCreditsPerDollar is the most credits that a dollar is.
const MaxCreditsPerDollar = 1_000_000 * OneCreditPerDollar

// OneCreditPerDollar leaves catalogues' prices as they are.
const OneCreditPerDollar money.Price = 1_000_000

// NewBook makes a Book.
func NewBook(o BookOptions) *Book {
	if o.CreditsPerDollar == 0 {
		o.CreditsPerDollar = OneCreditPerDollar
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Book{pool: o.Pool, q: db.New(), audit: o.Audit, reader: o.Reader, source: o.Source, dollars: o.CreditsPerDollar, log: o.Log}
}

// A Vendor is what catalogues know of one preset's models, at prices in credits.
type Vendor struct {
	preset  string
	read    map[string]PresetModel
	dollars money.Price
}

// Vendor reads what is known of a preset's models; of "" nothing is.
func (b *Book) Vendor(ctx context.Context, tx db.DBTX, presetID string) (Vendor, error) {
	if _, err := authz.Require(ctx, authz.ModelRead); err != nil {
		return Vendor{}, err
	}
	v := Vendor{preset: presetID, dollars: b.dollars}
	vendor := vendorOf(presetID)
	if vendor == "" {
		return v, nil
	}
	rows, err := b.q.CatalogModelsByVendor(ctx, tx, db.CatalogModelsByVendorParams{Vendor: vendor, RowLimit: MaxListed})
	if err != nil {
		return v, fmt.Errorf("read the price catalogue: %w", db.Classify(err))
	}
	v.read = make(map[string]PresetModel, len(rows))
	for _, row := range rows {
		if m, ok := listedFromRow(row); ok {
			v.read[row.UpstreamID] = m
		}
	}
	return v, nil
}

// Known is what is known of a model; ok is false where nothing is. What was read goes before what is built in, but for what it
// does not say. Prices are never mixed of both.
func (v Vendor) Known(upstreamID string) (m PresetModel, ok bool) {
	m, ok = Known(v.preset, upstreamID)
	if read, there := v.read[upstreamID]; there {
		if read.Capabilities == nil {
			read.Capabilities = m.Capabilities
		}
		if read.Context == 0 {
			read.Context = m.Context
		}
		if read.MaxOutput == 0 {
			read.MaxOutput = m.MaxOutput
		}
		m, ok = read, true
	}
	m.Rate = converted(m.Rate, v.dollars)
	return m, ok
}

// listedFromRow reads a row. One that a later release wrote, and that this one cannot read, is not there.
func listedFromRow(row db.CatalogModel) (PresetModel, bool) {
	m := PresetModel{ID: row.UpstreamID, Name: row.Name, Context: row.ContextTokens, MaxOutput: row.MaxOutputTokens}
	if len(row.Capabilities) > 0 {
		m.Capabilities = row.Capabilities
	}
	if err := json.Unmarshal(row.Rate, &m.Rate); err != nil || m.Rate.Rare.Check() != nil {
		return PresetModel{}, false
	}
	return m, true
}

// vendors are the ids of catalogues in models.dev's form for presets that are called differently there.
var vendors = map[string]string{
	"openai-responses": "openai", "gemini": "google", "vertexai": "google-vertex", "vertexai-anthropic": "google-vertex-anthropic",
	"kimi-coding": "kimi-for-coding", "minimax-china": "minimax-cn", "moonshot": "moonshotai", "alibaba-singapore": "alibaba",
	"fireworks": "fireworks-ai", "ionet": "io-net", "opencode-zen": "opencode", "qiniucloud": "qiniu-ai",
	"zhipu": "zhipuai", "zhipu-coding": "zhipuai-coding-plan",
}

// vendorOf is what the form calls a preset.
func vendorOf(presetID string) string { return cmp.Or(vendors[presetID], presetID) }

// wantedVendors are those that presets know.
func wantedVendors() map[string]bool {
	wanted := map[string]bool{}
	for _, p := range Presets() {
		wanted[vendorOf(p.ID)] = true
	}
	return wanted
}

// converted is a rate in US dollars as one in credits.
func converted(r pricing.Rate, dollars money.Price) pricing.Rate {
	if dollars == OneCreditPerDollar {
		return r
	}
	r.Input, r.CachedInput, r.CacheWrite, r.Output = inCredits(r.Input, dollars), inCredits(r.CachedInput, dollars), inCredits(r.CacheWrite, dollars), inCredits(r.Output, dollars)
	if r.Rare == nil {
		return r
	}
	rare := pricing.Rare{
		Reasoning: inCredits(r.Rare.Reasoning, dollars), AudioInput: inCredits(r.Rare.AudioInput, dollars), AudioOutput: inCredits(r.Rare.AudioOutput, dollars),
	}
	for _, t := range r.Rare.Tiers {
		rare.Tiers = append(rare.Tiers, pricing.Tier{
			Above: t.Above, Input: inCredits(t.Input, dollars), CachedInput: inCredits(t.CachedInput, dollars), CacheWrite: inCredits(t.CacheWrite, dollars),
			Output: inCredits(t.Output, dollars), Reasoning: inCredits(t.Reasoning, dollars),
		})
	}
	r.Rare = &rare
	return r
}

// inCredits is a price in US dollars as one in credits, rounded half up. What costs something never becomes free.
func inCredits(p *money.Price, dollars money.Price) *money.Price {
	if p == nil || *p == 0 {
		return p
	}
	var sum money.Sum
	sum.Add(int64(dollars), *p)
	return new(max(money.Price(sum.Per(uint64(OneCreditPerDollar))), 1))
}
