package provider

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

const (
	// maxRate is the most requests a second or a minute, or calls at the same time, that a key is limited to.
	maxRate = 1_000_000
	// maxTokenRate is the same of tokens a minute.
	maxTokenRate = 1_000_000_000_000
)

// KeyLimits are what a key may do at most, over all nodes. Zero is no limit.
type KeyLimits struct {
	MaxQPS            int64 // requests a second
	MaxConcurrency    int64 // calls at the same time
	RequestsPerMinute int64
	TokensPerMinute   int64 // in and out
}

func (l KeyLimits) check() error {
	for _, f := range []struct {
		name          string
		amount, limit int64
	}{
		{"maxQps", l.MaxQPS, maxRate}, {"maxConcurrency", l.MaxConcurrency, maxRate},
		{"requestsPerMinute", l.RequestsPerMinute, maxRate}, {"tokensPerMinute", l.TokensPerMinute, maxTokenRate},
	} {
		if f.amount < 0 || f.amount > f.limit {
			return fault.Field(f.name, "a limit is between 1 and %d", f.limit)
		}
	}
	return nil
}

// column is a limit as it is stored, checked before.
func column[T int32 | int64](amount int64) *T {
	if amount == 0 {
		return nil
	}
	v := T(amount)
	return &v
}

// amount is a limit as it was stored.
func amount[T int32 | int64](column *T) int64 {
	if column == nil {
		return 0
	}
	return int64(*column)
}

// UpdateKeyInput changes a key; nil fields stay as they are. Of a limit, zero takes it away.
type UpdateKeyInput struct {
	Label             *string
	Weight            *int
	MaxQPS            *int64
	MaxConcurrency    *int64
	RequestsPerMinute *int64
	TokensPerMinute   *int64
}

// UpdateKey changes all of a key but its secret. Every node follows within a second.
func (p *Providers) UpdateKey(ctx context.Context, key id.ProviderKey, in UpdateKeyInput) (Key, error) {
	grant, err := authz.Require(ctx, authz.ProviderWrite)
	if err != nil {
		return Key{}, err
	}
	var after Key
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, _, err := p.lockKey(ctx, tx, grant, key)
		if err != nil {
			return err
		}
		after = keyFromRow(row)
		changes, err := in.apply(&after)
		if err != nil {
			return err
		}
		l := after.Limits
		row, err = p.q.UpdateProviderKey(ctx, tx, db.UpdateProviderKeyParams{
			ID: key, Label: after.Label, Weight: int32(after.Weight),
			MaxQps: column[int32](l.MaxQPS), MaxConcurrency: column[int32](l.MaxConcurrency),
			RequestsPerMinute: column[int32](l.RequestsPerMinute), TokensPerMinute: column[int64](l.TokensPerMinute),
		})
		if err != nil {
			return err
		}
		after = keyFromRow(row)
		changes["provider"], changes["hint"] = row.ProviderID, row.Hint
		return p.audit.Record(ctx, tx, "provider.key.update", key.String(), changes)
	})
	if err != nil {
		return Key{}, fmt.Errorf("update provider key: %w", err)
	}
	return after, nil
}

// apply changes the key and tells what is new, for the audit log.
func (in UpdateKeyInput) apply(key *Key) (map[string]any, error) {
	changes := map[string]any{}
	set(changes, "label", &key.Label, in.Label)
	set(changes, "weight", &key.Weight, in.Weight)
	set(changes, "maxQps", &key.Limits.MaxQPS, in.MaxQPS)
	set(changes, "maxConcurrency", &key.Limits.MaxConcurrency, in.MaxConcurrency)
	set(changes, "requestsPerMinute", &key.Limits.RequestsPerMinute, in.RequestsPerMinute)
	set(changes, "tokensPerMinute", &key.Limits.TokensPerMinute, in.TokensPerMinute)
	if !isText(key.Label) {
		return nil, fault.Field("label", "a label is text of at most %d bytes", MaxName)
	}
	if _, err := weight(key.Weight); err != nil {
		return nil, err
	}
	return changes, key.Limits.check()
}
