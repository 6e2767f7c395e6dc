package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/catalog"
)

// catalogRefresh reads the price catalogue. One that cannot be read is a result, not a failed job.
type catalogRefresh struct {
	river.WorkerDefaults[catalog.RefreshArgs]
	providers Providers
	log       *slog.Logger
}

func (w *catalogRefresh) Work(ctx context.Context, _ *river.Job[catalog.RefreshArgs]) error {
	done, err := w.providers.RefreshPrices(ctx)
	if err == nil && done.Error == "" {
		w.log.Info("the price catalogue is read", "source", done.Source, "models", done.Models, "changed", done.Changed, "unpriced", done.Unpriced,
			"left_out", done.LeftOut, "repriced", done.Repriced)
	}
	return err
}
