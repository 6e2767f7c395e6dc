package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/usage"
)

// usagePartitions makes the request log's days ahead.
type usagePartitions struct {
	river.WorkerDefaults[usage.PartitionsArgs]
	reports Reports
}

func (w *usagePartitions) Work(ctx context.Context, _ *river.Job[usage.PartitionsArgs]) error {
	return w.reports.EnsurePartitions(ctx)
}
