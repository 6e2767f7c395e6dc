package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/egress"
)

// egressCheckAll enqueues a check of every egress pool.
type egressCheckAll struct {
	river.WorkerDefaults[egress.CheckAllArgs]
	egress Egress
}

func (w *egressCheckAll) Work(ctx context.Context, _ *river.Job[egress.CheckAllArgs]) error {
	_, err := w.egress.CheckAll(ctx)
	return err
}
