package jobs

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"

	"aihigress/internal/credit"
)

// Ledger is what jobs need of the credit ledger.
type Ledger interface {
	Recharge(ctx context.Context, inbox credit.Inbox) (refilled int, err error)
	Expire(ctx context.Context) (entries int, err error)
	SweepLeases(ctx context.Context) (removed int64, err error)
	AlertBudgets(ctx context.Context, inbox credit.Inbox) (told int, err error)
	WarnExpiries(ctx context.Context, inbox credit.Inbox) (told int, err error)
	TellMismatches(ctx context.Context, inbox credit.Inbox) (differ int, err error)
}

// creditRecharge refills the accounts whose recharge rules are due.
type creditRecharge struct {
	river.WorkerDefaults[credit.RechargeArgs]
	ledger Ledger
	inbox  credit.Inbox
	log    *slog.Logger
}

func (w *creditRecharge) Work(ctx context.Context, _ *river.Job[credit.RechargeArgs]) error {
	refilled, err := w.ledger.Recharge(ctx, w.inbox)
	if refilled > 0 {
		w.log.Info("accounts recharged", "accounts", refilled)
	}
	return err
}
