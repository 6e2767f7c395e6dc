package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
)

// Where a model came from.
const (
	Manual     = "manual"     // somebody wrote it down
	Discovered = "discovered" // the provider lists it
)

// Where a model's price came from.
const (
	PriceUnknown = ""
	PriceManual  = "manual"  // somebody set it: nothing else changes it
	PriceCatalog = "catalog" // of the provider's preset; follows the price book
)

// A Model is one model that a provider offers.
type Model struct {
	ID              id.ProviderModel
	ProviderID      id.Provider
	UpstreamID      string   // what the provider calls it
	Alias           string   // another name for callers; may be empty
	Capabilities    []string // names of llm.Capabilities
	ContextTokens   int64    // 0 is unknown
	MaxOutputTokens int64    // 0 is unknown
	Rate            pricing.Rate
	PriceSource     string
	Source          string
	Enabled         bool
	MissingSince    *time.Time // when the provider stopped listing it
	CreatedAt       time.Time
}

// ModelInput is a model as somebody writes it down. What is not given is taken from the catalogue, where that knows it. A list
// of capabilities is all that the model can do: what it leaves out is lacking.
type ModelInput struct {
	UpstreamID      string
	Alias           string
	Capabilities    []string
	ContextTokens   int64
	MaxOutputTokens int64
	Rate            *pricing.Rate
}

// ModelChange changes a model; nil fields stay as they are.
type ModelChange struct {
	Alias           *string
	Capabilities    *[]string // all of them from now on; an empty list gives them back to the catalogue
	ContextTokens   *int64
	MaxOutputTokens *int64
	Rate            *pricing.Rate // set by hand from now on; an empty one gives the price back to the catalogue
	Enabled         *bool
}

// Models lists what a provider offers, in the order of upstream ids: at most MaxModels.
func (p *Providers) Models(ctx context.Context, provider id.Provider) ([]Model, error) {
	grant, err := authz.Require(ctx, authz.ProviderRead)
	if err != nil {
		return nil, err
	}
	row, err := p.q.GetProvider(ctx, p.pool, provider)
	if err != nil {
		return nil, fmt.Errorf("get provider: %w", db.Classify(err))
	}
	if err := maySee(grant, row); err != nil {
		return nil, err
	}
	rows, err := p.q.ProviderModelsByProvider(ctx, p.pool, db.ProviderModelsByProviderParams{ProviderID: provider, RowLimit: MaxModels})
	if err != nil {
		return nil, fmt.Errorf("list provider models: %w", db.Classify(err))
	}
	models := make([]Model, len(rows))
	for i, row := range rows {
		models[i] = modelFromRow(row)
	}
	return models, nil
}

// UpsertModel writes down a model, or changes the one that the provider already has under this upstream id.
func (p *Providers) UpsertModel(ctx context.Context, provider id.Provider, in ModelInput) (Model, error) {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return Model{}, err
	}
	var model Model
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetProviderForUpdate(ctx, tx, provider)
		if err != nil {
			return err
		}
		if err := maySee(grant, row); err != nil {
			return err
		}
		vendor, err := p.book.Vendor(ctx, tx, row.PresetID)
		if err != nil {
			return err
		}
		old, err := p.q.FindProviderModelForUpdate(ctx, tx, db.FindProviderModelForUpdateParams{ProviderID: provider, UpstreamID: in.UpstreamID})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			if model, err = p.insertModel(ctx, tx, row, vendor, in, Manual); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			change := ModelChange{
				Alias: &in.Alias, Capabilities: &in.Capabilities, ContextTokens: &in.ContextTokens, MaxOutputTokens: &in.MaxOutputTokens, Rate: in.Rate,
			}
			if model, err = p.changeModel(ctx, tx, vendor, old, change); err != nil {
				return err
			}
		}
		return p.audit.Record(ctx, tx, "provider.model.write", model.ID.String(), describeModel(model))
	})
	if err != nil {
		return Model{}, fmt.Errorf("write provider model: %w", err)
	}
	return model, nil
}

// SetModel changes a model's alias, price and the like.
func (p *Providers) SetModel(ctx context.Context, model id.ProviderModel, change ModelChange) (Model, error) {
	var after Model
	err := p.withModel(ctx, model, func(tx pgx.Tx, provider db.Provider, row db.ProviderModel) error {
		vendor, err := p.book.Vendor(ctx, tx, provider.PresetID)
		if err != nil {
			return err
		}
		if after, err = p.changeModel(ctx, tx, vendor, row, change); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.model.write", model.String(), describeModel(after))
	})
	if err != nil {
		return Model{}, fmt.Errorf("change provider model: %w", err)
	}
	return after, nil
}

// RemoveModel strikes a model out. One that the provider lists comes back with the next discovery: disable it instead.
func (p *Providers) RemoveModel(ctx context.Context, model id.ProviderModel) error {
	err := p.withModel(ctx, model, func(tx pgx.Tx, _ db.Provider, row db.ProviderModel) error {
		if err := p.q.DeleteProviderModel(ctx, tx, model); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.model.remove", model.String(), map[string]any{"provider": row.ProviderID, "upstream": row.UpstreamID})
	})
	if err != nil {
		return fmt.Errorf("remove provider model: %w", err)
	}
	return nil
}

// withModel locks a model that the actor may change.
func (p *Providers) withModel(ctx context.Context, model id.ProviderModel, do func(pgx.Tx, db.Provider, db.ProviderModel) error) error {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return err
	}
	return db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetProviderModelForUpdate(ctx, tx, model)
		if err != nil {
			return err
		}
		provider, err := p.q.GetProvider(ctx, tx, row.ProviderID)
		if err != nil {
			return err
		}
		if err := maySee(grant, provider); err != nil {
			return err
		}
		return do(tx, provider, row)
	})
}

func (p *Providers) insertModel(ctx context.Context, tx pgx.Tx, provider db.Provider, vendor catalog.Vendor, in ModelInput, source string) (Model, error) {
	row := db.ProviderModel{
		ProviderID: provider.ID, UpstreamID: in.UpstreamID, Alias: in.Alias,
		ContextTokens: known(in.ContextTokens), MaxOutputTokens: known(in.MaxOutputTokens), Source: source, Enabled: true,
	}
	if preset, ok := vendor.Known(in.UpstreamID); ok {
		if row.ContextTokens == nil {
			row.ContextTokens = known(preset.Context)
		}
		if row.MaxOutputTokens == nil {
			row.MaxOutputTokens = known(preset.MaxOutput)
		}
	}
	setPrice(&row, vendor, in.Rate)
	if err := setCapabilities(&row, vendor, in.Capabilities); err != nil {
		return Model{}, err
	}
	if err := checkModel(row); err != nil {
		return Model{}, err
	}
	inserted, err := p.q.InsertProviderModel(ctx, tx, db.InsertProviderModelParams{
		ID: id.New[id.ProviderModel](), ProviderID: row.ProviderID, UpstreamID: row.UpstreamID, Alias: row.Alias, Capabilities: row.Capabilities,
		ContextTokens: row.ContextTokens, MaxOutputTokens: row.MaxOutputTokens,
		InputPrice: row.InputPrice, CachedInputPrice: row.CachedInputPrice, CacheWritePrice: row.CacheWritePrice, OutputPrice: row.OutputPrice,
		PriceSource: row.PriceSource, Source: row.Source, CapabilitiesSource: row.CapabilitiesSource, RarePrices: row.RarePrices,
	})
	if db.Violates(err, "provider_models_provider_id_upstream_id_key") {
		return Model{}, fault.Field("upstreamId", "this model is there already")
	}
	if err != nil {
		return Model{}, err
	}
	return modelFromRow(inserted), nil
}

func (p *Providers) changeModel(ctx context.Context, tx pgx.Tx, vendor catalog.Vendor, row db.ProviderModel, change ModelChange) (Model, error) {
	if change.Alias != nil {
		row.Alias = *change.Alias
	}
	if change.Capabilities != nil {
		if err := setCapabilities(&row, vendor, *change.Capabilities); err != nil {
			return Model{}, err
		}
	}
	if change.ContextTokens != nil {
		row.ContextTokens = known(*change.ContextTokens)
	}
	if change.MaxOutputTokens != nil {
		row.MaxOutputTokens = known(*change.MaxOutputTokens)
	}
	if change.Enabled != nil {
		row.Enabled = *change.Enabled
	}
	if change.Rate != nil {
		setPrice(&row, vendor, change.Rate)
	}
	if err := checkModel(row); err != nil {
		return Model{}, err
	}
	return p.writeModel(ctx, tx, row)
}

func (p *Providers) writeModel(ctx context.Context, tx pgx.Tx, row db.ProviderModel) (Model, error) {
	written, err := p.q.UpdateProviderModel(ctx, tx, db.UpdateProviderModelParams{
		ID: row.ID, Alias: row.Alias, Capabilities: row.Capabilities, CapabilitiesSource: row.CapabilitiesSource,
		ContextTokens: row.ContextTokens, MaxOutputTokens: row.MaxOutputTokens,
		InputPrice: row.InputPrice, CachedInputPrice: row.CachedInputPrice, CacheWritePrice: row.CacheWritePrice, OutputPrice: row.OutputPrice,
		RarePrices: row.RarePrices, PriceSource: row.PriceSource, Source: row.Source, Enabled: row.Enabled, MissingSince: row.MissingSince,
	})
	if err != nil {
		return Model{}, err
	}
	return modelFromRow(written), nil
}

// setPrice takes a rate by hand, or without one the catalogue's.
func setPrice(row *db.ProviderModel, vendor catalog.Vendor, rate *pricing.Rate) {
	row.PriceSource = PriceManual
	if rate == nil || rate.IsZero() {
		preset, _ := vendor.Known(row.UpstreamID)
		rate, row.PriceSource = &preset.Rate, PriceCatalog
		if rate.IsZero() {
			row.PriceSource = PriceUnknown
		}
	}
	row.InputPrice, row.OutputPrice = rate.Input, rate.Output
	row.CachedInputPrice, row.CacheWritePrice = rate.CachedInput, rate.CacheWrite
	row.RarePrices = rate.Rare.JSON()
}

func checkModel(row db.ProviderModel) error {
	switch {
	case !isToken(row.UpstreamID):
		return fault.Field("upstreamId", "an upstream id is one word of 1 to %d bytes", MaxName)
	case row.Alias != "" && !isToken(row.Alias):
		return fault.Field("alias", "an alias is one word of at most %d bytes", MaxName)
	case row.ContextTokens != nil && *row.ContextTokens < 0:
		return fault.Field("contextTokens", "a number of tokens is not negative")
	case row.MaxOutputTokens != nil && *row.MaxOutputTokens < 0:
		return fault.Field("maxOutputTokens", "a number of tokens is not negative")
	}
	for field, price := range map[string]*money.Price{
		"inputPrice": row.InputPrice, "cachedInputPrice": row.CachedInputPrice, "cacheWritePrice": row.CacheWritePrice, "outputPrice": row.OutputPrice,
	} {
		if price != nil && *price < 0 {
			return fault.Field(field, "a price is not negative")
		}
	}
	_, err := pricing.ReadRare(row.RarePrices)
	return err
}

// known is a column for a number of tokens: NULL for 0.
func known(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func modelFromRow(row db.ProviderModel) Model {
	m := Model{
		ID: row.ID, ProviderID: row.ProviderID, UpstreamID: row.UpstreamID, Alias: row.Alias, Capabilities: row.Capabilities,
		Rate: rateOf(row), PriceSource: row.PriceSource, Source: row.Source, Enabled: row.Enabled, MissingSince: row.MissingSince, CreatedAt: row.CreatedAt,
	}
	if row.ContextTokens != nil {
		m.ContextTokens = *row.ContextTokens
	}
	if row.MaxOutputTokens != nil {
		m.MaxOutputTokens = *row.MaxOutputTokens
	}
	return m
}

// rateOf is the price of a row. Rare prices that a later release wrote, and that this one cannot read, are none here; the
// data plane takes such a model for unpriced.
func rateOf(row db.ProviderModel) pricing.Rate {
	rare, _ := pricing.ReadRare(row.RarePrices)
	return pricing.Rate{Input: row.InputPrice, CachedInput: row.CachedInputPrice, CacheWrite: row.CacheWritePrice, Output: row.OutputPrice, Rare: rare}
}

// describeModel is a model as the audit log keeps it.
func describeModel(m Model) map[string]any {
	return map[string]any{
		"provider": m.ProviderID, "upstream": m.UpstreamID, "alias": m.Alias, "enabled": m.Enabled, "priceSource": m.PriceSource,
		"capabilities": m.Capabilities, "context": m.ContextTokens, "maxOutput": m.MaxOutputTokens,
		"input": text(m.Rate.Input), "cachedInput": text(m.Rate.CachedInput), "cacheWrite": text(m.Rate.CacheWrite), "output": text(m.Rate.Output),
		"rare": m.Rate.Rare,
	}
}

// text is a price, or nil for one that is unknown.
func text(price *money.Price) any {
	if price == nil {
		return nil
	}
	return price.String()
}
