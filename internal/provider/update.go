package provider

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/pricing"
)

// UpdateInput changes a provider; nil fields stay as they are. What it speaks never changes: that is another provider.
type UpdateInput struct {
	Slug           *string
	Name           *string
	Kind           *string
	BaseURL        *string
	Visibility     *Visibility
	Headers        *map[string]string // all headers: those not in it are removed
	Paths          *map[string]string // all paths: operations that are not in it have their dialect's
	Streaming      *Streaming
	Weight         *int
	AskStreamUsage *bool
	Factor         *pricing.Factor
	AllowPrivate   *bool
	AcceptAnyModel *bool
	Enabled        *bool
	NetworkInput
}

// SetEnabled switches a provider on or off: no request goes to one that is off.
func (p *Providers) SetEnabled(ctx context.Context, provider id.Provider, enabled bool) (Provider, error) {
	return p.Update(ctx, provider, UpdateInput{Enabled: &enabled})
}

// Update changes a provider. Every node follows within a second.
func (p *Providers) Update(ctx context.Context, provider id.Provider, in UpdateInput) (Provider, error) {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return Provider{}, err
	}
	var after Provider
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetProviderForUpdate(ctx, tx, provider)
		if err != nil {
			return err
		}
		if err := maySee(grant, row); err != nil {
			return err
		}
		if in.AllowPrivate != nil && *in.AllowPrivate != row.AllowPrivate {
			if err := checkPrivate(grant, *in.AllowPrivate); err != nil {
				return err
			}
		}
		before := row.Kind
		changes, err := in.apply(&row)
		if err != nil {
			return err
		}
		if err := in.NetworkInput.apply(grant, &row, changes); err != nil {
			return err
		}
		if err := checkRow(row); err != nil {
			return err
		}
		if err := p.checkNewKind(ctx, tx, before, row); err != nil {
			return err
		}
		row, err = p.q.UpdateProvider(ctx, tx, db.UpdateProviderParams{
			ID: row.ID, Slug: row.Slug, Name: row.Name, BaseUrl: row.BaseUrl, Visibility: row.Visibility, Headers: row.Headers,
			Weight: row.Weight, AskStreamUsage: row.AskStreamUsage, AllowPrivate: row.AllowPrivate,
			AcceptAnyModel: row.AcceptAnyModel, Enabled: row.Enabled,
			Kind: row.Kind, Paths: row.Paths, Streaming: row.Streaming,
			EgressPoolID: row.EgressPoolID, AllowHosts: row.AllowHosts, CaCertificate: row.CaCertificate, BillingFactor: row.BillingFactor,
		})
		if err != nil {
			return slugged(err)
		}
		if in.reaches() && row.Enabled {
			if err := p.enqueueTx(ctx, tx, provider); err != nil {
				return err
			}
		}
		if after, err = p.one(ctx, tx, grant, row); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.update", provider.String(), changes)
	})
	if err != nil {
		return Provider{}, fmt.Errorf("update provider: %w", err)
	}
	return after, nil
}

// checkNewKind keeps keys from changing their meaning: a service account's would be sent out whole, as if it were an API
// key.
func (p *Providers) checkNewKind(ctx context.Context, tx pgx.Tx, before string, row db.Provider) error {
	if before == row.Kind || before != KindVertex && row.Kind != KindVertex {
		return nil
	}
	keys, err := p.q.ProviderKeysByProvider(ctx, tx, db.ProviderKeysByProviderParams{ProviderID: row.ID, RowLimit: 1})
	if err != nil || len(keys) == 0 {
		return err
	}
	taken := fault.New(fault.Conflict, "remove the provider's keys before it becomes or ceases to be Vertex AI")
	taken.Path = []string{"kind"}
	return taken
}

// reaches reports whether what is known of the provider's health may be wrong after the change.
func (in UpdateInput) reaches() bool {
	return in.BaseURL != nil || in.Kind != nil || in.Paths != nil || in.Streaming != nil || in.Headers != nil || in.AllowPrivate != nil || in.Enabled != nil ||
		in.changes()
}

// apply changes the row and tells what is new, for the audit log.
func (in UpdateInput) apply(row *db.Provider) (map[string]any, error) {
	changes := map[string]any{}
	if in.BaseURL != nil {
		base, err := checkURL(*in.BaseURL)
		if err != nil {
			return nil, err
		}
		set(changes, "baseUrl", &row.BaseUrl, &base)
	}
	if in.Headers != nil {
		headers, err := checkHeaders(*in.Headers)
		if err != nil {
			return nil, err
		}
		if row.Headers, err = json.Marshal(headers); err != nil {
			return nil, fmt.Errorf("write headers: %w", err)
		}
		changes["headers"] = headerNames(headers)
	}
	if in.Paths != nil {
		paths, err := pathsJSON(*in.Paths)
		if err != nil {
			return nil, err
		}
		row.Paths, changes["paths"] = paths, *in.Paths
	}
	if in.Weight != nil {
		w, err := weight(*in.Weight)
		if err != nil {
			return nil, err
		}
		set(changes, "weight", &row.Weight, &w)
	}
	if in.Factor != nil && in.Factor.Column() != row.BillingFactor {
		changes["factor"] = map[string]any{"from": pricing.Factor(row.BillingFactor), "to": *in.Factor}
		row.BillingFactor = in.Factor.Column()
	}
	set(changes, "slug", &row.Slug, in.Slug)
	set(changes, "name", &row.Name, in.Name)
	set(changes, "kind", &row.Kind, in.Kind)
	set(changes, "streaming", &row.Streaming, (*string)(in.Streaming))
	set(changes, "visibility", &row.Visibility, (*string)(in.Visibility))
	set(changes, "askStreamUsage", &row.AskStreamUsage, in.AskStreamUsage)
	set(changes, "allowPrivate", &row.AllowPrivate, in.AllowPrivate)
	set(changes, "acceptAnyModel", &row.AcceptAnyModel, in.AcceptAnyModel)
	set(changes, "enabled", &row.Enabled, in.Enabled)
	return changes, nil
}

// set gives a field its new value, where there is one, and notes it where it differs.
func set[T comparable](changes map[string]any, name string, field, to *T) {
	if to == nil || *to == *field {
		return
	}
	changes[name] = map[string]any{"from": *field, "to": *to}
	*field = *to
}
