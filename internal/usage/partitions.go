package usage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
)

const (
	day = 24 * time.Hour
	// daysAhead is for how many days there are partitions beforehand: a week in which nobody needs to look after it.
	daysAhead = 7

	// How long counts are kept. What a replay brings later than minuteRetention is billed and logged, and missing from
	// the metrics.
	minuteRetention = 14 * day
	// quarterRetention is for the charts of a day. There are as many quarters of an hour as of all hours of a year.
	quarterRetention = 3 * day
	hourRetention    = 400 * day
	dayRetention     = 5 * 366 * day

	// pruneBatch is how many rows one statement deletes.
	pruneBatch = 10_000
)

// EnsurePartitions makes the partitions of requests from yesterday to a week ahead. Rows that came before their partition
// are moved into it. It is called at start-up as well as by a job, and may be called by several nodes at once.
func (r *Reports) EnsurePartitions(ctx context.Context) error {
	if _, err := authz.Require(ctx, authz.UsageBook); err != nil {
		return err
	}
	return r.ensurePartitions(ctx, time.Now())
}

func (r *Reports) ensurePartitions(ctx context.Context, now time.Time) error {
	there, err := r.q.ListRequestPartitions(ctx, r.pool)
	if err != nil {
		return fmt.Errorf("list partitions of requests: %w", db.Classify(err))
	}
	exists := make(map[time.Time]bool, len(there))
	for _, d := range there {
		exists[d] = true
	}
	today := now.UTC().Truncate(day)
	for ahead := -1; ahead <= daysAhead; ahead++ {
		d := today.AddDate(0, 0, ahead)
		if exists[d] {
			continue
		}
		err := db.InTx(ctx, r.pool, func(tx pgx.Tx) error { return r.q.CreateRequestPartition(ctx, tx, d) })
		if err != nil {
			return fmt.Errorf("make a day of requests: %w", err)
		}
	}
	return nil
}

// DropExpired drops the requests of days that ended longer ago than retention, which is at least one day, and counts that
// are past their time. Ledger entries stay.
func (r *Reports) DropExpired(ctx context.Context, retention time.Duration) error {
	if _, err := authz.Require(ctx, authz.UsageBook); err != nil {
		return err
	}
	if retention < day {
		return errors.New("drop expired requests: less than one day would be kept")
	}
	return r.dropExpired(ctx, time.Now(), retention)
}

func (r *Reports) dropExpired(ctx context.Context, now time.Time, retention time.Duration) error {
	days, err := r.q.ListRequestPartitions(ctx, r.pool)
	if err != nil {
		return fmt.Errorf("list partitions of requests: %w", db.Classify(err))
	}
	oldest := now.UTC().Add(-retention).Truncate(day)
	for _, d := range days {
		if !d.Before(oldest) {
			break
		}
		err := db.InTx(ctx, r.pool, func(tx pgx.Tx) error { return r.q.DropRequestPartition(ctx, tx, d) })
		if err != nil {
			return fmt.Errorf("drop a day of requests: %w", err)
		}
	}
	err = inBatches(func() (int64, error) {
		return r.q.DeleteStrayRequests(ctx, r.pool, db.DeleteStrayRequestsParams{Before: oldest, RowLimit: pruneBatch})
	})
	if err != nil {
		return fmt.Errorf("delete stray requests: %w", db.Classify(err))
	}
	for step, keep := range map[time.Duration]time.Duration{
		time.Minute: minuteRetention, time.Hour: hourRetention, day: dayRetention,
	} {
		err := inBatches(func() (int64, error) {
			return r.q.DeleteUsageBuckets(ctx, r.pool, db.DeleteUsageBucketsParams{
				StepSeconds: int32(step / time.Second), Before: now.Add(-keep).Truncate(day), RowLimit: pruneBatch,
			})
		})
		if err == nil && step != time.Minute {
			err = r.deleteSums(ctx, step, now.Add(-keep))
		}
		if err != nil {
			return fmt.Errorf("delete old counts: %w", db.Classify(err))
		}
	}
	if err := r.deleteSums(ctx, quarter, now.Add(-quarterRetention)); err != nil {
		return fmt.Errorf("delete old quarters: %w", db.Classify(err))
	}
	return nil
}

func (r *Reports) deleteSums(ctx context.Context, step time.Duration, before time.Time) error {
	for _, dimension := range sumDimensions {
		err := inBatches(func() (int64, error) {
			return r.q.DeleteUsageSums(ctx, r.pool, db.DeleteUsageSumsParams{
				StepSeconds: int32(step / time.Second), Dimension: dimension, Before: before.Truncate(day), RowLimit: pruneBatch,
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func inBatches(remove func() (int64, error)) error {
	for {
		n, err := remove()
		if err != nil || n < pruneBatch {
			return err
		}
	}
}
