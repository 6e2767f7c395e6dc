package provider

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/secret"
)

// A Key is one credential of a provider. Its secret never leaves the package but inside a Target and the snapshot.
type Key struct {
	ID         id.ProviderKey
	ProviderID id.Provider
	Label      string
	Hint       string // the secret's last characters
	Weight     int    // share among the provider's keys
	Limits     KeyLimits
	Enabled    bool // an admin wants it used
	CreatedAt  time.Time
	Death
}

// KeyInput is a new credential.
type KeyInput struct {
	Secret secret.Text
	Label  string
	Weight *int // nil is 1
	Limits KeyLimits
}

// KeyPlace is where a key's secret stands, as secret.Keyring binds it.
func KeyPlace(key id.ProviderKey) string { return "provider_keys/" + key.String() }

// AddKey gives a provider one key more.
func (p *Providers) AddKey(ctx context.Context, provider id.Provider, in KeyInput) (Key, error) {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return Key{}, err
	}
	var key Key
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetProviderForUpdate(ctx, tx, provider)
		if err != nil {
			return err
		}
		if err := maySee(grant, row); err != nil {
			return err
		}
		keys, err := p.q.ProviderKeysByProvider(ctx, tx, db.ProviderKeysByProviderParams{ProviderID: provider, RowLimit: MaxKeys})
		if err != nil {
			return err
		}
		if len(keys) >= MaxKeys {
			return fault.New(fault.Conflict, "a provider has at most %d keys", MaxKeys)
		}
		if key, err = p.insertKey(ctx, tx, row, in); err != nil {
			return err
		}
		if err := p.enqueueTx(ctx, tx, provider); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.key.add", key.ID.String(), map[string]any{"provider": provider, "label": key.Label, "hint": key.Hint})
	})
	if err != nil {
		return Key{}, fmt.Errorf("add provider key: %w", err)
	}
	return key, nil
}

// RotateKey puts another secret into a key's place; label, weight and limit stay. What the gateway found out about the old one
// is forgotten.
func (p *Providers) RotateKey(ctx context.Context, key id.ProviderKey, text secret.Text) (Key, error) {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return Key{}, err
	}
	var after Key
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		before, provider, err := p.lockKey(ctx, tx, grant, key)
		if err != nil {
			return err
		}
		text, hint, err := checkSecret(text, provider)
		if err != nil {
			return err
		}
		row, err := p.q.RotateProviderKey(ctx, tx, db.RotateProviderKeyParams{
			ID: key, Hint: hint, SecretKeyID: p.keyring.ID(), SecretSealed: p.keyring.Seal(text, KeyPlace(key)),
		})
		if err != nil {
			return err
		}
		after = keyFromRow(row)
		if err := p.enqueueTx(ctx, tx, row.ProviderID); err != nil {
			return err
		}
		if _, err := p.notify.SendTx(ctx, tx, revived(provider, after, false)); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.key.rotate", key.String(), map[string]any{
			"provider": row.ProviderID, "hint": map[string]string{"from": before.Hint, "to": after.Hint},
		})
	})
	if err != nil {
		return Key{}, fmt.Errorf("rotate provider key: %w", err)
	}
	return after, nil
}

// RemoveKey erases a key. A provider without keys is called without a credential.
func (p *Providers) RemoveKey(ctx context.Context, key id.ProviderKey) error {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return err
	}
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, _, err := p.lockKey(ctx, tx, grant, key)
		if err != nil {
			return err
		}
		if err := p.q.DeleteProviderKey(ctx, tx, key); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.key.remove", key.String(), map[string]any{"provider": row.ProviderID, "hint": row.Hint})
	})
	if err != nil {
		return fmt.Errorf("remove provider key: %w", err)
	}
	return nil
}

// Keys lists a provider's keys, oldest first, for those who may see all of the provider.
func (p *Providers) Keys(ctx context.Context, provider id.Provider) ([]Key, error) {
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
	if !grant.All && !owns(grant, row) {
		return nil, fault.New(fault.Denied, "the keys of this provider are not shown to you")
	}
	rows, err := p.q.ProviderKeysByProvider(ctx, p.pool, db.ProviderKeysByProviderParams{ProviderID: provider, RowLimit: MaxKeys})
	if err != nil {
		return nil, fmt.Errorf("list provider keys: %w", db.Classify(err))
	}
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = keyFromRow(row)
	}
	return keys, nil
}

func (p *Providers) insertKey(ctx context.Context, tx pgx.Tx, provider db.Provider, in KeyInput) (Key, error) {
	text, hint, err := checkSecret(in.Secret, provider)
	if err != nil {
		return Key{}, err
	}
	if !isText(in.Label) {
		return Key{}, fault.Field("label", "a label is text of at most %d bytes", MaxName)
	}
	key := id.New[id.ProviderKey]()
	params := db.InsertProviderKeyParams{
		ID: key, ProviderID: provider.ID, Label: in.Label, Hint: hint, Weight: 1,
		SecretKeyID: p.keyring.ID(), SecretSealed: p.keyring.Seal(text, KeyPlace(key)),
	}
	if in.Weight != nil {
		if params.Weight, err = weight(*in.Weight); err != nil {
			return Key{}, err
		}
	}
	if err := in.Limits.check(); err != nil {
		return Key{}, err
	}
	params.MaxQps, params.MaxConcurrency = column[int32](in.Limits.MaxQPS), column[int32](in.Limits.MaxConcurrency)
	params.RequestsPerMinute, params.TokensPerMinute = column[int32](in.Limits.RequestsPerMinute), column[int64](in.Limits.TokensPerMinute)
	row, err := p.q.InsertProviderKey(ctx, tx, params)
	if err != nil {
		return Key{}, err
	}
	return keyFromRow(row), nil
}

// lockKey is a key that the actor may change, locked until the transaction ends, with its provider.
func (p *Providers) lockKey(ctx context.Context, tx pgx.Tx, g authz.Grant, key id.ProviderKey) (db.ProviderKey, db.Provider, error) {
	row, err := p.q.GetProviderKeyForUpdate(ctx, tx, key)
	if err != nil {
		return row, db.Provider{}, err
	}
	provider, err := p.q.GetProvider(ctx, tx, row.ProviderID)
	if err != nil {
		return row, provider, err
	}
	return row, provider, maySee(g, provider)
}

// checkSecret takes what can stand in a header, or for Vertex AI a service account's JSON too. Spaces around it come from
// copying. hint is what is shown of it.
func checkSecret(text secret.Text, provider db.Provider) (checked secret.Text, hint string, err error) {
	trimmed := strings.TrimSpace(text.Reveal())
	if provider.Kind == KindVertex && IsServiceAccount(trimmed) {
		return checkAccount(trimmed, provider.AllowPrivate)
	}
	if trimmed == "" || len(trimmed) > MaxSecret || strings.ContainsFunc(trimmed, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return secret.Text{}, "", fault.Field("secret", "a key has 1 to %d printable ASCII characters and no spaces", MaxSecret)
	}
	checked = secret.NewText(trimmed)
	return checked, checked.Hint(), nil
}

func keyFromRow(row db.ProviderKey) Key {
	return Key{
		ID: row.ID, ProviderID: row.ProviderID, Label: row.Label, Hint: row.Hint, Weight: int(row.Weight),
		Limits: KeyLimits{
			MaxQPS: amount(row.MaxQps), MaxConcurrency: amount(row.MaxConcurrency),
			RequestsPerMinute: amount(row.RequestsPerMinute), TokensPerMinute: amount(row.TokensPerMinute),
		},
		Enabled: row.Enabled, CreatedAt: row.CreatedAt, Death: deathFromRow(row),
	}
}
