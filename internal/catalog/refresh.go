package catalog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/pricing"
)

// A Refresh is how reading the price catalogue went.
type Refresh struct {
	Enabled   bool       // there is an address to read
	Source    string     // that address without its query; what it was when nothing is read any more
	TriedAt   *time.Time // nil where it was never tried
	ReadAt    *time.Time // when it was last read well
	ChangedAt *time.Time // when it last said something new
	Error     string     // why the last try brought nothing; safe to show

	// Of when it last had something to read.
	Models   int      // with a price that may be used
	Changed  int      // that were new, or said something else than before
	Unpriced int      // without a price; they keep what they had
	LeftOut  int      // that cannot be believed; they keep what they had
	Problems []string // some of those, and why
	Repriced int      // models of providers whose price followed
}

// LastRefresh is how reading the price catalogue went last.
func (b *Book) LastRefresh(ctx context.Context) (Refresh, error) {
	if _, err := authz.Require(ctx, authz.PriceRead); err != nil {
		return Refresh{}, err
	}
	row, err := b.q.GetCatalogRefresh(ctx, b.pool)
	if err != nil {
		return Refresh{}, fmt.Errorf("read how the price catalogue is: %w", db.Classify(err))
	}
	return b.refreshFromRow(row), nil
}

// Refresh reads the price catalogue and keeps what is new in it. That it cannot be read is a result and no error: what was
// read before stays, as does what was known of a model that it lists no more or not well. Without a source it is Invalid.
// Prices follow with package provider.
func (b *Book) Refresh(ctx context.Context) (Refresh, error) {
	if _, err := authz.Require(ctx, authz.PriceWrite); err != nil {
		return Refresh{}, err
	}
	if b.source.Address.Empty() {
		return Refresh{}, fault.New(fault.Invalid, "no price catalogue is set up: PRICE_CATALOG_URL is empty")
	}
	before, err := b.q.GetCatalogRefresh(ctx, b.pool)
	if err != nil {
		return Refresh{}, fmt.Errorf("read how the price catalogue is: %w", db.Classify(err))
	}
	hash := b.addressHash()
	etag := before.Etag
	if before.AddressHash != hash {
		etag = ""
	}
	raw, etag, fresh, err := b.reader.ReadListing(ctx, b.source.Address, b.source.AllowHosts, etag, MaxListing)
	var found *listing
	if err == nil && fresh {
		found, err = readListing(raw, wantedVendors())
	}
	if ctx.Err() != nil {
		return Refresh{}, fmt.Errorf("read the price catalogue: %w", context.Cause(ctx))
	}
	var row db.CatalogRefresh
	tried := attempt{err, hash, etag}
	err = db.InTx(ctx, b.pool, func(tx pgx.Tx) (err error) {
		row, err = b.keep(ctx, tx, found, tried)
		return err
	})
	if err != nil {
		return Refresh{}, fmt.Errorf("keep the price catalogue: %w", err)
	}
	return b.refreshFromRow(row), nil
}

// An attempt is how a try ended that brought nothing new where there is no listing.
type attempt struct {
	failure    error
	hash, etag string
}

// keep takes over what was found, if anything was, and notes how it went.
func (b *Book) keep(ctx context.Context, tx pgx.Tx, found *listing, a attempt) (db.CatalogRefresh, error) {
	row, err := b.q.LockCatalogRefresh(ctx, tx)
	if err != nil {
		return row, err
	}
	now := time.Now()
	row.TriedAt, row.Source, row.Error = &now, b.shown(), ""
	switch {
	case a.failure != nil:
		row.Error = "it is " + errListing.Error()
		if failure, ok := fault.As(a.failure); ok {
			row.Error = failure.Message
		}
		b.log.Warn("the price catalogue is not read", "source", row.Source, "error", a.failure)
	case found == nil:
		row.ReadAt = &now
	default:
		changed, err := b.takeOver(ctx, tx, found)
		if err != nil {
			return row, err
		}
		row.ReadAt, row.AddressHash, row.Etag = &now, a.hash, a.etag
		row.Models, row.Changed = int32(len(found.models)), int32(changed)
		row.Repriced = 0
		row.Unpriced, row.LeftOut, row.Problems = int32(found.unpriced), int32(found.leftOut), append([]string{}, found.problems...)
		if changed > 0 {
			row.ChangedAt = &now
			if err := b.audit.Record(ctx, tx, "catalog.refresh", row.Source, map[string]int{
				"models": len(found.models), "changed": changed, "unpriced": found.unpriced, "leftOut": found.leftOut,
			}); err != nil {
				return row, err
			}
		}
	}
	return b.q.UpdateCatalogRefresh(ctx, tx, db.UpdateCatalogRefreshParams{
		Source: row.Source, AddressHash: row.AddressHash, Etag: row.Etag, TriedAt: row.TriedAt, ReadAt: row.ReadAt, ChangedAt: row.ChangedAt,
		Error: row.Error, Models: row.Models, Changed: row.Changed, Unpriced: row.Unpriced, LeftOut: row.LeftOut, Problems: row.Problems,
		Repriced: row.Repriced,
	})
}

// takeOver writes the models that are new or say something else, and counts them. One whose price for input or output would
// become unknown is left out, as are new ones beyond MaxListed.
func (b *Book) takeOver(ctx context.Context, tx pgx.Tx, found *listing) (int, error) {
	rows, err := b.q.CatalogModels(ctx, tx, MaxListed)
	if err != nil {
		return 0, err
	}
	kept := make(map[listed]PresetModel, len(rows))
	for _, row := range rows {
		m, _ := listedFromRow(row)
		kept[listed{row.Vendor, row.UpstreamID}] = m
	}
	var changed []listedRow
	total := len(rows)
	for _, at := range found.sorted() {
		m := found.models[at]
		old, there := kept[at]
		switch {
		case m.Rate.Output == nil && (old.Rate.Output != nil || builtInOutput(at)):
			found.leaveOut(at, fmt.Errorf("its price for output is gone"))
			continue
		case !there && total >= MaxListed:
			found.leaveOut(at, fmt.Errorf("there is room for %d models", MaxListed))
			continue
		case there && m.equal(old):
			continue
		case !there:
			total++
		}
		changed = append(changed, rowOf(at, m))
	}
	if len(changed) == 0 {
		return 0, nil
	}
	raw, err := json.Marshal(changed)
	if err != nil {
		return 0, fmt.Errorf("write models: %w", err)
	}
	return len(changed), b.q.UpsertCatalogModels(ctx, tx, raw)
}

// builtInOutput reports whether the built-in catalogue has a price for a model's output.
func builtInOutput(at listed) bool {
	for _, p := range Presets() {
		if vendorOf(p.ID) == at.vendor {
			if m, ok := Known(p.ID, at.upstreamID); ok && m.Rate.Output != nil {
				return true
			}
		}
	}
	return false
}

func (l *listing) sorted() []listed {
	keys := make([]listed, 0, len(l.models))
	for at := range l.models {
		keys = append(keys, at)
	}
	slices.SortFunc(keys, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.vendor, b.vendor), cmp.Compare(a.upstreamID, b.upstreamID))
	})
	return keys
}

func (m PresetModel) equal(other PresetModel) bool {
	return m.Name == other.Name && m.Context == other.Context && m.MaxOutput == other.MaxOutput &&
		slices.Equal(m.Capabilities, other.Capabilities) && m.Rate.Equal(other.Rate)
}

// listedRow is a row of catalog_models by its columns.
type listedRow struct {
	Vendor       string       `json:"vendor"`
	UpstreamID   string       `json:"upstream_id"`
	Name         string       `json:"name"`
	Context      int64        `json:"context_tokens"`
	MaxOutput    int64        `json:"max_output_tokens"`
	Capabilities []string     `json:"capabilities"`
	Rate         pricing.Rate `json:"rate"`
}

func rowOf(at listed, m PresetModel) listedRow {
	return listedRow{at.vendor, at.upstreamID, m.Name, m.Context, m.MaxOutput, append([]string{}, m.Capabilities...), m.Rate}
}

// Repriced notes how many models of providers followed the price catalogue.
func (b *Book) Repriced(ctx context.Context, n int) (Refresh, error) {
	if _, err := authz.Require(ctx, authz.PriceWrite); err != nil {
		return Refresh{}, err
	}
	row, err := b.q.SetCatalogRepriced(ctx, b.pool, int32(n))
	if err != nil {
		return Refresh{}, fmt.Errorf("note what followed the price catalogue: %w", db.Classify(err))
	}
	return b.refreshFromRow(row), nil
}

// listingVersion is part of the address's hash: with another number, a release reads again what the one before has read.
const listingVersion = "1 "

// addressHash tells addresses apart without keeping them.
func (b *Book) addressHash() string {
	sum := sha256.Sum256([]byte(listingVersion + b.source.Address.Reveal()))
	return hex.EncodeToString(sum[:])
}

// shown is the address without what may be a secret.
func (b *Book) shown() string {
	u, err := url.Parse(b.source.Address.Reveal())
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (b *Book) refreshFromRow(row db.CatalogRefresh) Refresh {
	r := Refresh{
		Enabled: !b.source.Address.Empty(), Source: row.Source, TriedAt: row.TriedAt, ReadAt: row.ReadAt, ChangedAt: row.ChangedAt, Error: row.Error,
		Models: int(row.Models), Changed: int(row.Changed), Unpriced: int(row.Unpriced), LeftOut: int(row.LeftOut), Problems: row.Problems,
		Repriced: int(row.Repriced),
	}
	if r.Enabled {
		r.Source = b.shown()
	}
	return r
}
