package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/credit"
)

// creditSweep gives expired leases back to their accounts.
type creditSweep struct {
	river.WorkerDefaults[credit.SweepArgs]
	ledger Ledger
	log    *slog.Logger
}

func (w *creditSweep) Work(ctx context.Context, _ *river.Job[credit.SweepArgs]) error {
	removed, err := w.ledger.SweepLeases(ctx)
	if removed > 0 {
		w.log.Info("leases swept", "leases", removed)
	}
	return err
}
