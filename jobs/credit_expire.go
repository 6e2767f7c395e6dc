package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/credit"
)

// creditExpire takes back granted credit that has expired.
type creditExpire struct {
	river.WorkerDefaults[credit.ExpireArgs]
	ledger Ledger
	log    *slog.Logger
}

func (w *creditExpire) Work(ctx context.Context, _ *river.Job[credit.ExpireArgs]) error {
	entries, err := w.ledger.Expire(ctx)
	if entries > 0 {
		w.log.Info("credit expired", "entries", entries)
	}
	return err
}
