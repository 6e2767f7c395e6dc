package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"aihigress/internal/usage"
)

// Reports is what jobs need of the request log.
type Reports interface {
	Fold(ctx context.Context) error
	EnsurePartitions(ctx context.Context) error
	DropExpired(ctx context.Context, retention time.Duration) error
}

// usageFold folds minutes into hours and days.
type usageFold struct {
	river.WorkerDefaults[usage.FoldArgs]
	reports Reports
}

func (w *usageFold) Work(ctx context.Context, _ *river.Job[usage.FoldArgs]) error {
	return w.reports.Fold(ctx)
}

// Timeout leaves room for what gathered while the jobs stood still, and for the first fold of a release that keeps other sums:
// that reads everything, and begins anew where it is ended.
func (w *usageFold) Timeout(*river.Job[usage.FoldArgs]) time.Duration { return 2 * time.Hour }
