package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/pricing"
)

// CreateInput is a new provider. With a preset, Name, Dialect, Kind and BaseURL may be empty: they are the preset's then.
type CreateInput struct {
	Slug           string // "" is made of the name
	Name           string
	Dialect        string
	Kind           string // "" is KindDirect, or the preset's
	BaseURL        string
	Visibility     Visibility // "" is Private
	PresetID       string
	Headers        map[string]string
	Paths          map[string]string // by operation, behind BaseURL
	Streaming      Streaming
	Weight         *int            // nil is 1
	AskStreamUsage *bool           // nil is true
	Factor         *pricing.Factor // of what its calls are charged; nil is 1
	AllowPrivate   bool
	AcceptAnyModel bool
	Disabled       bool
	Keys           []KeyInput
	Models         []ModelInput
	NetworkInput
}

// Create makes a provider with its keys and models, owned by the actor, and has its models discovered and its health
// probed soon after.
func (p *Providers) Create(ctx context.Context, in CreateInput) (Provider, error) {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return Provider{}, err
	}
	row, err := in.row(grant)
	if err != nil {
		return Provider{}, err
	}
	if len(in.Keys) > MaxKeys {
		return Provider{}, fault.Field("keys", "a provider has at most %d keys", MaxKeys)
	}
	if len(in.Models) > MaxModels {
		return Provider{}, fault.Field("models", "a provider has at most %d models", MaxModels)
	}
	var made Provider
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		inserted, err := p.q.InsertProvider(ctx, tx, db.InsertProviderParams{
			ID: row.ID, OwnerID: row.OwnerID, Slug: row.Slug, Name: row.Name, Dialect: row.Dialect, Kind: row.Kind, BaseUrl: row.BaseUrl,
			Visibility: row.Visibility, PresetID: row.PresetID, Headers: row.Headers, Weight: row.Weight,
			AskStreamUsage: row.AskStreamUsage, AllowPrivate: row.AllowPrivate, AcceptAnyModel: row.AcceptAnyModel, Enabled: row.Enabled,
			Paths: row.Paths, Streaming: row.Streaming,
			EgressPoolID: row.EgressPoolID, AllowHosts: row.AllowHosts, CaCertificate: row.CaCertificate, BillingFactor: row.BillingFactor,
		})
		if err != nil {
			return slugged(err)
		}
		for i, key := range in.Keys {
			if _, err := p.insertKey(ctx, tx, inserted, key); err != nil {
				return within(err, "keys", i)
			}
		}
		vendor, err := p.book.Vendor(ctx, tx, inserted.PresetID)
		if err != nil {
			return err
		}
		for i, model := range in.Models {
			if _, err := p.insertModel(ctx, tx, inserted, vendor, model, Manual); err != nil {
				return within(err, "models", i)
			}
		}
		if err := p.enqueueTx(ctx, tx, row.ID); err != nil {
			return err
		}
		if made, err = p.one(ctx, tx, grant, inserted); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.create", row.ID.String(), map[string]any{
			"slug": made.Slug, "dialect": made.Dialect, "kind": made.Kind, "paths": made.Paths, "streaming": made.Streaming, "baseUrl": made.BaseURL, "visibility": made.Visibility,
			"headers": headerNames(made.Headers), "allowPrivate": made.AllowPrivate, "acceptAnyModel": made.AcceptAnyModel,
			"enabled": made.Enabled, "factor": pricing.Factor(inserted.BillingFactor), "keys": len(in.Keys), "models": len(in.Models),
			"egressPool": made.EgressPoolID, "allowHosts": made.AllowHosts, "caCertificate": len(made.CACertificate),
		})
	})
	if err != nil {
		return Provider{}, fmt.Errorf("create provider: %w", err)
	}
	return made, nil
}

// row is the checked input.
func (in CreateInput) row(g authz.Grant) (db.Provider, error) {
	if err := in.fill(); err != nil {
		return db.Provider{}, err
	}
	if err := checkPrivate(g, in.AllowPrivate); err != nil {
		return db.Provider{}, err
	}
	base, err := checkURL(in.BaseURL)
	if err != nil {
		return db.Provider{}, err
	}
	headers, err := checkHeaders(in.Headers)
	if err != nil {
		return db.Provider{}, err
	}
	raw, err := json.Marshal(headers)
	if err != nil {
		return db.Provider{}, fmt.Errorf("write headers: %w", err)
	}
	paths, err := pathsJSON(in.Paths)
	if err != nil {
		return db.Provider{}, err
	}
	row := db.Provider{
		ID: id.New[id.Provider](), Slug: in.Slug, Name: in.Name, Dialect: in.Dialect, Kind: in.Kind, BaseUrl: base,
		Visibility: string(in.Visibility), PresetID: in.PresetID, Headers: raw, Paths: paths, Streaming: string(in.Streaming), Weight: 1, AskStreamUsage: true,
		AllowPrivate: in.AllowPrivate, AcceptAnyModel: in.AcceptAnyModel, Enabled: !in.Disabled, BillingFactor: pricing.One.Column(),
	}
	if in.Factor != nil {
		row.BillingFactor = in.Factor.Column()
	}
	if !g.UserID.IsZero() {
		row.OwnerID = &g.UserID
	}
	if in.Weight != nil {
		if row.Weight, err = weight(*in.Weight); err != nil {
			return db.Provider{}, err
		}
	}
	if in.AskStreamUsage != nil {
		row.AskStreamUsage = *in.AskStreamUsage
	}
	row.AllowHosts = []string{}
	if err := in.apply(g, &row, map[string]any{}); err != nil {
		return db.Provider{}, err
	}
	return row, checkRow(row)
}

// fill takes what is not given from the preset and the defaults.
func (in *CreateInput) fill() error {
	if in.PresetID != "" {
		i := slices.IndexFunc(catalog.Presets(), func(c catalog.Preset) bool { return c.ID == in.PresetID })
		if i < 0 {
			return fault.Field("presetId", "there is no such preset")
		}
		preset := catalog.Presets()[i]
		in.Name = or(in.Name, preset.Name)
		in.Dialect = or(in.Dialect, preset.Dialect)
		in.Kind = or(in.Kind, preset.Kind)
		in.BaseURL = or(in.BaseURL, preset.BaseURL)
	}
	in.Slug = or(in.Slug, slugOf(in.Name))
	in.Kind = or(in.Kind, KindDirect)
	in.Visibility = or(in.Visibility, Private)
	return nil
}

// slugOf makes a slug of a name: its Latin letters and digits, with hyphens for what stands between them.
func slugOf(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	slug := strings.Join(words, "-")
	return strings.TrimRight(slug[:min(len(slug), maxSlug)], "-")
}

func or[T ~string](text, instead T) T {
	if text == "" {
		return instead
	}
	return text
}

// weight checks before it narrows: a large int must not become a small int32.
func weight(w int) (int32, error) {
	if w < 0 || w > MaxWeight {
		return 0, fault.Field("weight", "a weight is between 0 and %d", MaxWeight)
	}
	return int32(w), nil
}

// headerNames is headers as the audit log keeps them: values may be somebody's secret.
func headerNames(headers map[string]string) []string {
	return slices.Sorted(maps.Keys(headers))
}

// within puts the place in a list before the path of a field's failure.
func within(err error, list string, i int) error {
	if failure, ok := fault.As(err); ok && len(failure.Path) > 0 {
		failure.Path = append([]string{list, fmt.Sprint(i)}, failure.Path...)
	}
	return err
}
