package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
)

const (
	// foldMargin is how far before the last fold the next looks for changed minutes. A change is stamped within its
	// transaction and seen after its commit, at most bookTimeout later; the margin is well above that.
	foldMargin = 5 * time.Minute
	// foldReach is how old an hour may be to be folded again. It ends a day before minutes are deleted, so that no hour is
	// made anew from a part of its minutes.
	foldReach = minuteRetention - day
)

// Fold recomputes hours from minutes, and days from hours, where something came in since the last fold, however late it
// was. What is folded twice comes out the same.
func (r *Reports) Fold(ctx context.Context) error {
	if _, err := authz.Require(ctx, authz.UsageBook); err != nil {
		return err
	}
	return r.fold(ctx, time.Now())
}

func (r *Reports) fold(ctx context.Context, now time.Time) error {
	err := db.InTx(ctx, r.pool, func(tx pgx.Tx) error {
		if err := r.q.LockFold(ctx, tx); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		last, err := r.q.GetLastFold(ctx, tx)
		if err != nil {
			return fmt.Errorf("read the last fold: %w", err)
		}
		since := last.Add(-foldMargin)
		oldest := now.Add(-foldReach).Truncate(time.Hour)
		if _, err := r.q.FoldHours(ctx, tx, db.FoldHoursParams{ChangedSince: since, Oldest: oldest}); err != nil {
			return fmt.Errorf("hours: %w", err)
		}
		if _, err := r.q.FoldDays(ctx, tx, since); err != nil {
			return fmt.Errorf("days: %w", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fold usage: %w", err)
	}
	return nil
}
