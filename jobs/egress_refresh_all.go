package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/egress"
)

// egressRefreshAll enqueues a refresh of every egress pool that has a list.
type egressRefreshAll struct {
	river.WorkerDefaults[egress.RefreshAllArgs]
	egress Egress
}

func (w *egressRefreshAll) Work(ctx context.Context, _ *river.Job[egress.RefreshAllArgs]) error {
	_, err := w.egress.RefreshAll(ctx)
	return err
}
