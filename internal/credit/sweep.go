package credit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
)

const (
	// sweepGrace is how long after its end a lease stays: time enough for a node to renew after Postgres was away.
	sweepGrace = 2 * time.Minute
	// sweepBatch is how many leases one statement removes.
	sweepBatch = 1000
)

// SweepArgs is the periodic job that calls Ledger.SweepLeases.
type SweepArgs struct{}

// Kind names the job.
func (SweepArgs) Kind() string { return "credit_sweep" }

// InsertOpts lets one such job wait or run at a time.
func (SweepArgs) InsertOpts() river.InsertOpts { return upkeep() }

// SweepLeases gives back to their accounts the leases of nodes that will not spend them any more, removes empty ones, and
// reports how many it removed.
//
// A lease goes two minutes after it ended by the database's clock, unless the server itself started since: nobody could
// renew while it was away. And it goes only when its node stopped with everything booked (spool_cursors.drained). A node
// that was killed keeps its leases until it is started again with its spool, since only the spool tells what they were
// spent on.
//
// Windows of budgets that began more than 70 days ago are forgotten too, at most 1000 at a time.
func (l *Ledger) SweepLeases(ctx context.Context) (removed int64, err error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return 0, err
	}
	return l.sweep(ctx, sweepGrace)
}

func (l *Ledger) sweep(ctx context.Context, grace time.Duration) (removed int64, err error) {
	for {
		n, err := l.q.SweepLeases(ctx, l.pool, db.SweepLeasesParams{Grace: interval(grace), RowLimit: sweepBatch})
		if err != nil {
			return removed, fmt.Errorf("sweep credit leases: %w", db.Classify(err))
		}
		removed += n
		if n < sweepBatch {
			break
		}
	}
	if _, err := l.q.SweepBudgetSpends(ctx, l.pool, sweepBatch); err != nil {
		return removed, fmt.Errorf("sweep the windows of budgets: %w", db.Classify(err))
	}
	return removed, nil
}

// upkeep is how this package's periodic jobs are inserted: one of a kind at a time, whoever schedules it.
func upkeep() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: 3,
		UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
			rivertype.JobStateRunning, rivertype.JobStateScheduled,
		}},
	}
}

func interval(d time.Duration) pgtype.Interval {
	return pgtype.Interval{Microseconds: d.Microseconds(), Valid: true}
}

func uuids(accounts ...id.Account) []uuid.UUID {
	list := make([]uuid.UUID, len(accounts))
	for i, a := range accounts {
		list[i] = a.UUID
	}
	return list
}
