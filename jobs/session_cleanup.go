package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/auth"
)

// Sessions is what jobs need of the sign-ins.
type Sessions interface {
	Sweep(ctx context.Context) (deleted int64, err error)
}

// sessionCleanup deletes sign-ins, tokens and cookies that ended long ago.
type sessionCleanup struct {
	river.WorkerDefaults[auth.SweepArgs]
	sessions Sessions
	log      *slog.Logger
}

func (w *sessionCleanup) Work(ctx context.Context, _ *river.Job[auth.SweepArgs]) error {
	deleted, err := w.sessions.Sweep(ctx)
	if deleted > 0 {
		w.log.Info("ended sign-ins deleted", "rows", deleted)
	}
	return err
}
