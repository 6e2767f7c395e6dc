package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
)

// Backfill writes requests of any day into the log and its counts, past the spool and without a charge in the ledger: what was
// billed elsewhere, or never made and only there to try the log at scale. Requests that are there already are left alone. It is for
// a log in which nothing was folded yet: Fold is to be run behind it, for hours of the last days and for all days, and an hour
// whose minutes are gone would be replaced by what is filled in.
func (r *Reports) Backfill(ctx context.Context, events []Event) error {
	if _, err := authz.Require(ctx, authz.UsageBook); err != nil {
		return err
	}
	all := make([]*Event, len(events))
	days := map[time.Time]bool{}
	for i := range events {
		all[i] = &events[i]
		days[events[i].StartedAt.UTC().Truncate(day)] = true
	}
	err := db.InTx(ctx, r.pool, func(tx pgx.Tx) error {
		for d := range days {
			if err := r.q.CreateRequestPartition(ctx, tx, d); err != nil {
				return err
			}
		}
		fresh, err := insertRequests(ctx, tx, r.q, all)
		if err != nil {
			return err
		}
		return r.q.AddUsageMinutes(ctx, tx, bucketRows(minuteBuckets(fresh), ""))
	})
	if err != nil {
		return fmt.Errorf("backfill requests: %w", err)
	}
	hours := map[time.Time]bool{}
	for i := range events {
		if hour := events[i].StartedAt.UTC().Truncate(time.Hour); time.Since(hour) > foldReach { // what Fold leaves alone
			hours[hour] = true
		}
	}
	for hour := range hours {
		if err := r.foldHour(ctx, hour, time.Now()); err != nil {
			return fmt.Errorf("backfill hour %s: %w", hour, err)
		}
	}
	return nil
}
