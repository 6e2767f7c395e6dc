package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/provider"
)

// priceRefresh reads the price catalogue. One that cannot be read is a result, not a failed job.
type priceRefresh struct {
	river.WorkerDefaults[provider.RefreshPricesArgs]
	providers Providers
	log       *slog.Logger
}

func (w *priceRefresh) Work(ctx context.Context, _ *river.Job[provider.RefreshPricesArgs]) error {
	done, err := w.providers.RefreshPrices(ctx)
	if err == nil && done.Error == "" {
		w.log.Info("the price catalogue is read", "source", done.Source, "models", done.Models, "changed", done.Changed, "unpriced", done.Unpriced,
			"left_out", done.LeftOut, "repriced", done.Repriced)
	}
	return err
}
