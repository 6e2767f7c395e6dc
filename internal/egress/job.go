package egress

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/provider"
)

// RefreshArgs is the job that does Refresh for one pool.
type RefreshArgs struct {
	PoolID id.EgressPool `json:"pool_id"`
	Change time.Time     `json:"change,omitzero"` // as with provider.ProbeArgs
}

// Kind names the job.
func (RefreshArgs) Kind() string { return "egress_refresh" }

// InsertOpts: a list that is away is read by the next round.
func (RefreshArgs) InsertOpts() river.InsertOpts { return provider.InsertOpts(2) }

// CheckArgs is the job that does Check for one pool.
type CheckArgs struct {
	PoolID id.EgressPool `json:"pool_id"`
	Change time.Time     `json:"change,omitzero"` // as with provider.ProbeArgs
}

// Kind names the job.
func (CheckArgs) Kind() string { return "egress_check" }

// InsertOpts: a check is worth little once the next one is due.
func (CheckArgs) InsertOpts() river.InsertOpts { return provider.InsertOpts(2) }

// RefreshAllArgs is the periodic job that enqueues RefreshArgs for every pool with a list.
type RefreshAllArgs struct{}

// Kind names the job.
func (RefreshAllArgs) Kind() string { return "egress_refresh_all" }

// InsertOpts lets a period have one, whoever leads.
func (RefreshAllArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByPeriod: time.Minute}}
}

// CheckAllArgs is the periodic job that enqueues CheckArgs for every pool.
type CheckAllArgs struct{}

// Kind names the job.
func (CheckAllArgs) Kind() string { return "egress_check_all" }

// InsertOpts lets a period have one, whoever leads.
func (CheckAllArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByPeriod: time.Minute}}
}

// RequestCheck has a pool's list read and its proxies checked soon.
func (p *Pools) RequestCheck(ctx context.Context, pool id.EgressPool) error {
	if _, err := authz.Require(ctx, authz.EgressWrite); err != nil {
		return err
	}
	err := db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		row, err := p.q.GetEgressPool(ctx, tx, pool)
		if err != nil {
			return err
		}
		return p.enqueueTx(ctx, tx, row, time.Time{})
	})
	if err != nil {
		return fmt.Errorf("have egress pool checked: %w", err)
	}
	return nil
}

// enqueueTx has a pool's list read and its proxies checked once the transaction is committed. change is when what they depend
// on changed; zero where it did not.
func (p *Pools) enqueueTx(ctx context.Context, tx pgx.Tx, row db.EgressPool, change time.Time) error {
	jobs := []river.JobArgs{CheckArgs{row.ID, change}}
	if row.ListHost != "" {
		jobs = append(jobs, RefreshArgs{row.ID, change})
	}
	for _, args := range jobs {
		if _, err := p.jobs.InsertTx(ctx, tx, args, nil); err != nil {
			return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
		}
	}
	return nil
}

// RefreshAll enqueues a refresh of every pool that has a list and counts them.
func (p *Pools) RefreshAll(ctx context.Context) (int, error) {
	return p.each(ctx, func(row db.EgressPool) river.JobArgs {
		if row.ListHost == "" {
			return nil
		}
		return RefreshArgs{PoolID: row.ID}
	})
}

// CheckAll enqueues a check of every pool and counts them.
func (p *Pools) CheckAll(ctx context.Context) (int, error) {
	return p.each(ctx, func(row db.EgressPool) river.JobArgs { return CheckArgs{PoolID: row.ID} })
}

func (p *Pools) each(ctx context.Context, job func(db.EgressPool) river.JobArgs) (n int, err error) {
	if _, err := authz.Require(ctx, authz.EgressWrite); err != nil {
		return 0, err
	}
	rows, err := p.q.ListEgressPools(ctx, p.pool, db.EgressPoolFilter{}, "", MaxPools)
	if err != nil {
		return 0, fmt.Errorf("list egress pools: %w", db.Classify(err))
	}
	for _, row := range rows {
		args := job(row)
		if args == nil {
			continue
		}
		if _, err := p.jobs.Insert(ctx, args, nil); err != nil {
			return n, fmt.Errorf("enqueue %s: %w", args.Kind(), err)
		}
		n++
	}
	return n, nil
}
