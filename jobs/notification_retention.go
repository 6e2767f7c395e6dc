package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/notify"
)

// notificationRetention deletes notifications that are too old or too many.
type notificationRetention struct {
	river.WorkerDefaults[notify.SweepArgs]
	inbox Inbox
	log   *slog.Logger
}

func (w *notificationRetention) Work(ctx context.Context, _ *river.Job[notify.SweepArgs]) error {
	deleted, err := w.inbox.Sweep(ctx)
	if deleted > 0 {
		w.log.Info("old notifications deleted", "rows", deleted)
	}
	return err
}
