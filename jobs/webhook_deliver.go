package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/internal/notify"
)

// Inbox is what jobs need of the notifications.
type Inbox interface {
	credit.Inbox
	Deliver(ctx context.Context, delivery id.Delivery, last bool) error
	Sweep(ctx context.Context) (deleted int64, err error)
}

// webhookDeliver sends one notification to one webhook.
type webhookDeliver struct {
	river.WorkerDefaults[notify.DeliverArgs]
	inbox Inbox
}

func (w *webhookDeliver) Work(ctx context.Context, job *river.Job[notify.DeliverArgs]) error {
	return w.inbox.Deliver(ctx, job.Args.DeliveryID, job.Attempt >= job.MaxAttempts)
}
