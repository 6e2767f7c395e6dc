package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/credit"
)

// creditVerify tells admins of balances that are not the sum of their entries.
type creditVerify struct {
	river.WorkerDefaults[credit.VerifyArgs]
	ledger Ledger
	inbox  credit.Inbox
	log    *slog.Logger
}

func (w *creditVerify) Work(ctx context.Context, _ *river.Job[credit.VerifyArgs]) error {
	differ, err := w.ledger.TellMismatches(ctx, w.inbox)
	if differ > 0 {
		w.log.Error("balances differ from their entries", "accounts", differ)
	}
	return err
}
