package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"aihigress/internal/usage"
)

// usageRetention drops the request log's days that are older than is kept.
type usageRetention struct {
	river.WorkerDefaults[usage.RetentionArgs]
	reports   Reports
	retention time.Duration
}

func (w *usageRetention) Work(ctx context.Context, _ *river.Job[usage.RetentionArgs]) error {
	return w.reports.DropExpired(ctx, w.retention)
}
