package provider

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/notify"
)

const (
	// firstCheck is after how long a dead key is tried for the first time; each vain try doubles it.
	firstCheck = time.Minute
	// maxCheck bounds that.
	maxCheck = time.Hour
	// maxUntil bounds the time that a vendor may ask for.
	maxUntil = 24 * time.Hour
)

// A Verdict is what a vendor's answer says of the key that it was asked with.
type Verdict uint8

// The verdicts.
const (
	KeyUnknown   Verdict = iota // nothing: it did not answer, or failed
	KeyWorks                    // it is known and may call
	KeyRefused                  // it is not known, or may not call
	KeyExhausted                // its account is used up
)

// Why a key is dead.
const (
	DeadRefused = "refused"
	DeadQuota   = "quota"
)

// Death is why and since when the gateway itself does not use a key. The zero value is a key that lives.
type Death struct {
	DisabledReason string // DeadRefused or DeadQuota; "" lives
	DisabledAt     *time.Time
	CheckAt        *time.Time // when it is tried again
}

func deathFromRow(row db.ProviderKey) Death {
	return Death{DisabledReason: row.DisabledReason, DisabledAt: row.DisabledAt, CheckAt: row.CheckAt}
}

// CheckKey asks the vendor what it says to a key. One that is refused or used up is taken out of use, one that works again is
// put back. until is when the vendor said that it may be used again; zero where it did not. Where the vendor says nothing of
// the key, that is a failure of the kind Upstream, but for a key that is dead: it is tried again later anyhow.
func (p *Providers) CheckKey(ctx context.Context, key id.ProviderKey, until time.Time) error {
	if _, err := authz.Require(ctx, authz.ProviderProbe); err != nil {
		return err
	}
	before, err := p.q.GetProviderKey(ctx, p.pool, key)
	if err != nil {
		return fmt.Errorf("get provider key: %w", db.Classify(err))
	}
	provider, target, err := p.targetWith(ctx, before.ProviderID, func(keys []db.ProviderKey) []db.ProviderKey {
		for i := range keys {
			if keys[i].ID == key {
				return keys[i : i+1]
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !before.Enabled || !provider.Enabled || target.Secret.Empty() {
		return nil
	}
	models, err := p.q.ProviderModelsByProvider(ctx, p.pool, db.ProviderModelsByProviderParams{ProviderID: provider.ID, RowLimit: MaxModels})
	if err != nil {
		return fmt.Errorf("list provider models: %w", db.Classify(err))
	}
	verdict, asked := p.caller.CheckKey(ctx, target, cheapest(models))
	if ctx.Err() != nil {
		return fmt.Errorf("check key of %s: %w", provider.Slug, context.Cause(ctx))
	}
	var sent notify.Sent
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetProviderKeyForUpdate(ctx, tx, key)
		if err != nil {
			return err
		}
		if !row.Enabled || !bytes.Equal(row.SecretSealed, before.SecretSealed) {
			return nil // it is another by now
		}
		sent, err = p.judge(ctx, tx, provider, row, verdict, until)
		return err
	})
	if err != nil {
		return fmt.Errorf("store check of key: %w", err)
	}
	p.notify.Announce(ctx, sent)
	if verdict == KeyUnknown && before.DisabledAt == nil {
		return fault.Wrap(asked, fault.Upstream, "the vendor says nothing of the key")
	}
	return nil
}

// judge stores what a verdict makes of a key, and tells who is concerned where that is new.
func (p *Providers) judge(ctx context.Context, tx pgx.Tx, provider db.Provider, row db.ProviderKey, verdict Verdict, until time.Time) (notify.Sent, error) {
	reason := map[Verdict]string{KeyRefused: DeadRefused, KeyExhausted: DeadQuota, KeyUnknown: row.DisabledReason}[verdict]
	switch {
	case verdict == KeyUnknown && row.DisabledReason == "":
		return notify.Sent{}, nil
	case reason == "" && row.DisabledReason == "":
		return p.notify.SendTx(ctx, tx, callRefused(provider, keyFromRow(row)))
	case reason == "":
		back, err := p.q.ReviveProviderKey(ctx, tx, row.ID)
		if err != nil {
			return notify.Sent{}, err
		}
		if err := p.audit.Record(ctx, tx, "provider.key.revive", row.ID.String(), map[string]any{"provider": row.ProviderID, "was": row.DisabledReason}); err != nil {
			return notify.Sent{}, err
		}
		p.log.InfoContext(ctx, "a provider's key works again", "provider", provider.Slug, "provider_key", row.ID)
		return p.notify.SendTx(ctx, tx, revived(provider, keyFromRow(back), true))
	}
	now, checks := time.Now().UTC(), row.Checks
	if row.DisabledAt == nil && now.Sub(row.UpdatedAt) > maxCheck {
		checks = 0 // one that goes to and fro is tried ever less often
	}
	checkAt := now.Add(min(firstCheck<<min(checks, 10), maxCheck))
	if until.After(checkAt) {
		checkAt = until
	}
	if last := now.Add(maxUntil); checkAt.After(last) {
		checkAt = last
	}
	dead, err := p.q.DisableProviderKey(ctx, tx, db.DisableProviderKeyParams{
		ID: row.ID, DisabledReason: reason, Now: &now, Checks: checks + 1, CheckAt: &checkAt,
	})
	if err != nil || row.DisabledReason == reason {
		return notify.Sent{}, err
	}
	if err := p.audit.Record(ctx, tx, "provider.key.disable", row.ID.String(), map[string]any{"provider": row.ProviderID, "reason": reason}); err != nil {
		return notify.Sent{}, err
	}
	p.log.WarnContext(ctx, "a provider's key is disabled", "provider", provider.Slug, "provider_key", row.ID, "reason", reason)
	return p.notify.SendTx(ctx, tx, died(provider, keyFromRow(dead)))
}

// CheckKeys enqueues a check of each dead key whose time has come, and counts them.
func (p *Providers) CheckKeys(ctx context.Context) (int, error) {
	if _, err := authz.Require(ctx, authz.ProviderProbe); err != nil {
		return 0, err
	}
	now := time.Now()
	due, err := p.q.DueProviderKeys(ctx, p.pool, db.DueProviderKeysParams{Now: &now, RowLimit: MaxBatch})
	if err != nil {
		return 0, fmt.Errorf("list dead keys: %w", db.Classify(err))
	}
	for n, key := range due {
		if _, err := p.jobs.Insert(ctx, KeyCheckArgs{KeyID: key}, nil); err != nil {
			return n, fmt.Errorf("enqueue %s: %w", KeyCheckArgs{}.Kind(), err)
		}
	}
	return len(due), nil
}

// SetKeyEnabled has a key used or not. One that the gateway disabled is used again at once.
func (p *Providers) SetKeyEnabled(ctx context.Context, key id.ProviderKey, enabled bool) (Key, error) {
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
		row, err := p.q.SetProviderKeyEnabled(ctx, tx, db.SetProviderKeyEnabledParams{ID: key, Enabled: enabled})
		if err != nil {
			return err
		}
		after = keyFromRow(row)
		if _, err := p.notify.SendTx(ctx, tx, revived(provider, after, false)); err != nil {
			return err
		}
		return p.audit.Record(ctx, tx, "provider.key.enable", key.String(), map[string]any{
			"provider": row.ProviderID, "enabled": map[string]bool{"from": before.Enabled, "to": enabled}, "was": before.DisabledReason,
		})
	})
	if err != nil {
		return Key{}, fmt.Errorf("set provider key: %w", err)
	}
	return after, nil
}
