package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/credit"
)

// creditAlert tells the owners of budgets that have passed a threshold.
type creditAlert struct {
	river.WorkerDefaults[credit.AlertArgs]
	ledger Ledger
	inbox  credit.Inbox
}

func (w *creditAlert) Work(ctx context.Context, _ *river.Job[credit.AlertArgs]) error {
	_, err := w.ledger.AlertBudgets(ctx, w.inbox)
	return err
}
