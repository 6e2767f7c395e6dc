package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// A Discovery is how what a provider lists differs from what was stored.
type Discovery struct {
	Listed   int      // models that the provider lists
	Added    []string // upstream ids that are new
	Missing  []string // discovered ones that it lists no more
	Back     []string // missing ones that it lists again
	Repriced []string // of the catalogue's price, which has changed
}

// Changed reports whether anything differed.
func (d Discovery) Changed() bool {
	return len(d.Added)+len(d.Missing)+len(d.Back)+len(d.Repriced) > 0
}

// Discover asks a provider for its models and stores what is new. Prices of new ones come from the catalogue; a price that
// was set by hand is never changed, and a model that was written down by hand never goes missing.
func (p *Providers) Discover(ctx context.Context, provider id.Provider) (Discovery, error) {
	if _, err := authz.Require(ctx, authz.ProviderProbe); err != nil {
		return Discovery{}, err
	}
	row, target, err := p.target(ctx, provider)
	if err != nil {
		return Discovery{}, err
	}
	listed, err := p.list(ctx, row, target)
	if err != nil {
		return Discovery{}, fmt.Errorf("list models of %s: %w", row.Slug, err)
	}
	var found Discovery
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) (err error) {
		asked := row.BaseUrl
		if row, err = p.q.GetProviderForUpdate(ctx, tx, provider); err != nil {
			return err
		}
		if row.BaseUrl != asked {
			return nil // another place by now, and a job of its own
		}
		if found, err = p.merge(ctx, tx, row, listed); err != nil || !found.Changed() {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.discover", provider.String(), map[string]int{
			"listed": found.Listed, "added": len(found.Added), "missing": len(found.Missing), "back": len(found.Back), "repriced": len(found.Repriced),
		})
	})
	if err != nil {
		return Discovery{}, fmt.Errorf("store models of %s: %w", row.Slug, err)
	}
	return found, nil
}

// list is what the provider lists, or what the catalogue knows of a vendor that has no list.
func (p *Providers) list(ctx context.Context, row db.Provider, target Target) (map[string]bool, error) {
	ids, err := p.caller.ListModels(ctx, target)
	if failure, ok := fault.As(err); ok && hasNoList(row, failure.Code) {
		for _, preset := range catalog.Presets() {
			if preset.ID == row.PresetID {
				err = nil
				for _, m := range preset.Models {
					ids = append(ids, m.ID)
				}
			}
		}
	}
	if err != nil {
		return nil, err
	}
	listed := make(map[string]bool, len(ids))
	for _, upstream := range ids {
		if isToken(upstream) && len(listed) < MaxModels {
			listed[upstream] = true
		}
	}
	if len(listed) == 0 {
		return nil, fault.New(fault.Upstream, "the provider lists no models")
	}
	return listed, nil
}

// hasNoList reports whether a failure says that the provider lists no models. On Vertex AI that takes a right that calls
// do not take.
func hasNoList(row db.Provider, code string) bool {
	return code == "http_404" || code == "http_405" || code == "http_403" && row.Kind == KindVertex
}

// merge writes only what differs: each statement makes every node read its configuration again.
func (p *Providers) merge(ctx context.Context, tx pgx.Tx, provider db.Provider, listed map[string]bool) (Discovery, error) {
	found := Discovery{Listed: len(listed)}
	rows, err := p.q.ProviderModelsByProvider(ctx, tx, db.ProviderModelsByProviderParams{ProviderID: provider.ID, RowLimit: MaxModels})
	if err != nil {
		return found, err
	}
	vendor, err := p.book.Vendor(ctx, tx, provider.PresetID)
	if err != nil {
		return found, err
	}
	stored := make(map[string]bool, len(rows))
	for _, row := range rows {
		stored[row.UpstreamID] = true
		if !found.judge(&row, vendor, listed[row.UpstreamID]) {
			continue
		}
		if _, err := p.writeModel(ctx, tx, row); err != nil {
			return found, err
		}
	}
	for upstream := range listed {
		if stored[upstream] || len(rows)+len(found.Added) >= MaxModels {
			continue
		}
		if _, err := p.insertModel(ctx, tx, provider, vendor, ModelInput{UpstreamID: upstream}, Discovered); err != nil {
			return found, err
		}
		found.Added = append(found.Added, upstream)
	}
	return found, nil
}

// judge changes a stored model to what was found and reports whether it did.
func (d *Discovery) judge(row *db.ProviderModel, vendor catalog.Vendor, listed bool) (changed bool) {
	switch {
	case listed && row.MissingSince != nil:
		row.MissingSince = nil
		d.Back = append(d.Back, row.UpstreamID)
		changed = true
	case !listed && row.MissingSince == nil && row.Source == Discovered:
		now := time.Now()
		row.MissingSince = &now
		d.Missing = append(d.Missing, row.UpstreamID)
		changed = true
	}
	return d.follow(row, vendor) || changed
}

// follow changes what is the catalogue's of a stored model to what that says now, and reports whether it did.
func (d *Discovery) follow(row *db.ProviderModel, vendor catalog.Vendor) (changed bool) {
	changed = recall(row, vendor)
	if row.PriceSource == PriceManual {
		return changed
	}
	before := modelFromRow(*row)
	setPrice(row, vendor, nil)
	if after := modelFromRow(*row); before.PriceSource != after.PriceSource || !before.Rate.Equal(after.Rate) {
		d.Repriced = append(d.Repriced, row.UpstreamID)
		changed = true
	}
	return changed
}
