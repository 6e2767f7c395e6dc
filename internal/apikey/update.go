package apikey

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// UpdateInput changes a key; nil fields stay as they are. A key's user and scopes never change.
type UpdateInput struct {
	Name        *string
	Models      []string          // empty but not nil: every model
	ProviderIDs []id.Provider     // empty but not nil: every provider
	IPRanges    []string          // empty but not nil: from everywhere
	Limits      *Limits           // all limits from now on
	Strategy    *catalog.Strategy // to "": the model's
	Timeout     *time.Duration    // to 0: as long as the gateway allows
	ExpiresAt   **time.Time       // to nil: never
}

// Update changes a key. Every node follows within a second. A revoked key is a Conflict.
func (k *Keys) Update(ctx context.Context, keyID id.Key, in UpdateInput) (Key, error) {
	grant, err := authz.Require(ctx, authz.KeyWrite)
	if err != nil {
		return Key{}, err
	}
	if err := in.normalize(time.Now()); err != nil {
		return Key{}, err
	}
	var row db.ApiKey
	err = db.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		var err error
		if row, err = k.locked(ctx, tx, grant, keyID); err != nil {
			return err
		}
		if row.RevokedAt != nil {
			return fault.New(fault.Conflict, "this key has been revoked")
		}
		if err := k.seesProviders(ctx, tx, row.UserID, in.ProviderIDs); err != nil {
			return err
		}
		changed := in.apply(&row)
		if len(changed) == 0 {
			return nil
		}
		row, err = k.q.UpdateApiKey(ctx, tx, db.UpdateApiKeyParams{
			ID: keyID, Name: row.Name, Models: row.Models, ProviderIds: row.ProviderIds, IpRanges: row.IpRanges,
			RequestsPerMinute: row.RequestsPerMinute, TokensPerMinute: row.TokensPerMinute,
			Concurrency: row.Concurrency, Budget: row.Budget, BudgetWindow: row.BudgetWindow, Strategy: row.Strategy, TimeoutMs: row.TimeoutMs, ExpiresAt: row.ExpiresAt,
		})
		if err != nil {
			return err
		}
		if in.Limits != nil && in.Limits.Budget != nil {
			if err := credit.ChangeBudgetTx(ctx, tx, keyID.UUID, *in.Limits.Budget); err != nil {
				return err
			}
		}
		return k.audit.Record(ctx, tx, "key.update", keyID.String(), changed)
	})
	if err != nil {
		return Key{}, fmt.Errorf("update key: %w", err)
	}
	return fromRow(row), nil
}

func (in *UpdateInput) normalize(now time.Time) (err error) {
	if in.Name != nil {
		name, err := checkName(*in.Name)
		if err != nil {
			return err
		}
		in.Name = &name
	}
	if in.Models != nil {
		if in.Models, err = checkModels(in.Models); err != nil {
			return err
		}
	}
	if in.ProviderIDs != nil {
		if in.ProviderIDs, err = checkProviders(in.ProviderIDs); err != nil {
			return err
		}
	}
	if in.IPRanges != nil {
		if in.IPRanges, err = checkIPRanges(in.IPRanges); err != nil {
			return err
		}
	}
	if in.Limits != nil {
		if err := checkLimits(*in.Limits); err != nil {
			return err
		}
	}
	if in.Strategy != nil || in.Timeout != nil {
		if err := checkRouting(value(in.Strategy), value(in.Timeout)); err != nil {
			return err
		}
	}
	if in.ExpiresAt != nil {
		return checkExpiry(*in.ExpiresAt, now)
	}
	return nil
}

// value is what a pointer leads to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// apply changes the row and tells what was set, for the audit log: of models only how many, since their names could be
// more than an event holds.
func (in UpdateInput) apply(row *db.ApiKey) map[string]any {
	set := map[string]any{}
	if in.Name != nil {
		row.Name, set["name"] = *in.Name, *in.Name
	}
	if in.Models != nil {
		row.Models, set["models"] = in.Models, len(in.Models)
	}
	if in.ProviderIDs != nil {
		row.ProviderIds, set["providers"] = in.ProviderIDs, in.ProviderIDs
	}
	if in.IPRanges != nil {
		row.IpRanges, set["ipRanges"] = in.IPRanges, in.IPRanges
	}
	if in.Limits != nil {
		row.RequestsPerMinute, row.TokensPerMinute, row.Concurrency = in.Limits.RequestsPerMinute, in.Limits.TokensPerMinute, in.Limits.Concurrency
		row.Budget, row.BudgetWindow = in.Limits.budget(), in.Limits.budgetWindow()
		set["limits"] = map[string]any{
			"requestsPerMinute": row.RequestsPerMinute, "tokensPerMinute": row.TokensPerMinute, "concurrency": row.Concurrency, "budget": in.Limits.Budget,
		}
	}
	if in.Strategy != nil {
		row.Strategy, set["strategy"] = string(*in.Strategy), *in.Strategy
	}
	if in.Timeout != nil {
		row.TimeoutMs, set["timeoutMs"] = milliseconds(*in.Timeout), in.Timeout.Milliseconds()
	}
	if in.ExpiresAt != nil {
		row.ExpiresAt, set["expiresAt"] = *in.ExpiresAt, *in.ExpiresAt
	}
	return set
}

// Revoke ends a key for good, on every node within a second. A key that has been revoked already stays as it is.
func (k *Keys) Revoke(ctx context.Context, keyID id.Key) (Key, error) {
	grant, err := authz.Require(ctx, authz.KeyWrite)
	if err != nil {
		return Key{}, err
	}
	var row db.ApiKey
	err = db.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		var err error
		if row, err = k.locked(ctx, tx, grant, keyID); err != nil || row.RevokedAt != nil {
			return err
		}
		if row, err = k.q.RevokeApiKey(ctx, tx, keyID); err != nil {
			return err
		}
		return k.audit.Record(ctx, tx, "key.revoke", keyID.String(), map[string]any{"name": row.Name, "hint": row.Hint})
	})
	if err != nil {
		return Key{}, fmt.Errorf("revoke key: %w", err)
	}
	return fromRow(row), nil
}

// locked is a key's row, locked, where the actor may change it.
func (k *Keys) locked(ctx context.Context, tx pgx.Tx, grant authz.Grant, keyID id.Key) (db.ApiKey, error) {
	row, err := k.q.GetApiKeyForUpdate(ctx, tx, keyID)
	if err != nil {
		return row, err
	}
	return row, grant.Owner(row.UserID)
}
