package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"aihigress/internal/egress"
)

// egressCheck tries the proxies of a pool. One that does not work is a result, not a failed job.
type egressCheck struct {
	river.WorkerDefaults[egress.CheckArgs]
	egress Egress
}

// Timeout has room for the largest pool when nothing answers.
func (w *egressCheck) Timeout(*river.Job[egress.CheckArgs]) time.Duration { return 4 * time.Minute }

func (w *egressCheck) Work(ctx context.Context, job *river.Job[egress.CheckArgs]) error {
	_, err := w.egress.Check(ctx, job.Args.PoolID)
	return err
}
