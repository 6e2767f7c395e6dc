package egress

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// A Refresh is what reading a list changed.
type Refresh struct {
	Listed, Added, Removed int
	Error                  string // why it brought nothing, or not all; safe to show
}

// Refresh reads a pool's list again and takes over what is new in it. Proxies that are no longer in it go; where it cannot be
// read, or has none in it, everything stays. That it cannot be read is a result and no error.
func (p *Pools) Refresh(ctx context.Context, pool id.EgressPool) (Refresh, error) {
	if _, err := authz.Require(ctx, authz.EgressWrite); err != nil {
		return Refresh{}, err
	}
	row, err := p.q.GetEgressPool(ctx, p.pool, pool)
	if err != nil {
		return Refresh{}, fmt.Errorf("get egress pool: %w", db.Classify(err))
	}
	if row.ListHost == "" {
		return Refresh{}, nil
	}
	list, err := p.keyring.Open(row.ListSealed, row.ListKeyID, listPlace(pool))
	if err != nil {
		return Refresh{}, fmt.Errorf("open the list's address of egress pool %s: %w", pool, err)
	}
	var found []address
	var skipped int
	raw, err := p.caller.ReadList(ctx, list, row.AllowHosts)
	if err == nil {
		found, skipped, err = readList(raw)
	}
	var done Refresh
	switch {
	case ctx.Err() != nil:
		return done, fmt.Errorf("read the list of egress pool %s: %w", pool, context.Cause(ctx))
	case err != nil:
		done.Error = "no answer"
		if failure, ok := fault.As(err); ok {
			done.Error = failure.Message
		}
		p.log.Warn("an egress pool's list is not read", "pool", row.Name, "error", err)
	case skipped > 0:
		done.Error = fmt.Sprintf("%d lines are no proxies", skipped)
	}
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		now, err := p.q.GetEgressPoolForUpdate(ctx, tx, pool)
		if err != nil {
			return err
		}
		if !bytes.Equal(now.ListSealed, row.ListSealed) {
			return nil // another list by now, and a job of its own
		}
		if len(found) > 0 {
			if err := p.takeOver(ctx, tx, now, found, &done); err != nil {
				return err
			}
		}
		return p.q.UpsertEgressList(ctx, tx, db.UpsertEgressListParams{PoolID: pool, Error: done.Error, FetchedAt: time.Now()})
	})
	if err != nil {
		return Refresh{}, fmt.Errorf("take over the list of egress pool %s: %w", pool, err)
	}
	return done, nil
}

// takeOver makes the listed proxies of a pool those that were found, as far as there is room, and has new ones checked.
func (p *Pools) takeOver(ctx context.Context, tx pgx.Tx, row db.EgressPool, found []address, done *Refresh) error {
	present, err := p.opened(ctx, tx, row.ID)
	if err != nil {
		return err
	}
	done.Listed = len(found)
	left := 0
	var gone []uuid.UUID
	for _, proxy := range present {
		at := slices.IndexFunc(found, func(a address) bool { return a.url.Reveal() == proxy.url.Reveal() })
		switch {
		case at >= 0:
			found = slices.Delete(found, at, at+1)
			left++
		case proxy.Source == Listed:
			gone = append(gone, proxy.ID.UUID)
		default:
			left++
		}
	}
	if room := MaxProxies - left; len(found) > room {
		done.Error = fmt.Sprintf("a pool has at most %d proxies: %d are left out", MaxProxies, len(found)-room)
		found = found[:room]
	}
	done.Added, done.Removed = len(found), len(gone)
	if done.Added+done.Removed == 0 {
		return nil // no node need read its configuration again
	}
	if len(gone) > 0 {
		if err := p.q.DeleteEgressProxies(ctx, tx, db.DeleteEgressProxiesParams{PoolID: row.ID, Ids: gone}); err != nil {
			return err
		}
	}
	if err := p.insertAll(ctx, tx, row.ID, Listed, found); err != nil {
		return err
	}
	if _, err := p.jobs.InsertTx(ctx, tx, CheckArgs{row.ID, time.Now()}, nil); err != nil {
		return fmt.Errorf("enqueue check: %w", err)
	}
	return p.audit.Record(ctx, tx, "egress.refresh", row.ID.String(), map[string]any{"name": row.Name, "added": shown(found), "removed": len(gone)})
}
