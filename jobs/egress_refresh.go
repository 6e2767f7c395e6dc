package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/egress"
	"aihigress/internal/id"
)

// Egress is what the jobs about egress proxies do.
type Egress interface {
	Refresh(ctx context.Context, pool id.EgressPool) (egress.Refresh, error)
	RefreshAll(ctx context.Context) (int, error)
	Check(ctx context.Context, pool id.EgressPool) (healthy int, err error)
	CheckAll(ctx context.Context) (int, error)
}

// egressRefresh reads the list of proxies of a pool. A list that cannot be read is a result, not a failed job.
type egressRefresh struct {
	river.WorkerDefaults[egress.RefreshArgs]
	egress Egress
	log    *slog.Logger
}

func (w *egressRefresh) Work(ctx context.Context, job *river.Job[egress.RefreshArgs]) error {
	done, err := w.egress.Refresh(ctx, job.Args.PoolID)
	if err == nil && done.Added+done.Removed > 0 {
		w.log.Info("an egress pool's list is taken over", "pool", job.Args.PoolID, "added", done.Added, "removed", done.Removed)
	}
	return err
}
