package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/credit"
)

// creditWarn tells users of credit that is about to expire.
type creditWarn struct {
	river.WorkerDefaults[credit.WarnArgs]
	ledger Ledger
	inbox  credit.Inbox
}

func (w *creditWarn) Work(ctx context.Context, _ *river.Job[credit.WarnArgs]) error {
	_, err := w.ledger.WarnExpiries(ctx, w.inbox)
	return err
}
