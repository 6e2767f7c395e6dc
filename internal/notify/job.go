package notify

import (
	"time"

	"github.com/riverqueue/river"

	"aihigress/internal/id"
)

// MaxDeliveries is how often a webhook is tried: River waits for the fourth power of the attempt in seconds between two, so
// the last comes after about two and a half hours.
const MaxDeliveries = 8

// DeliverArgs is the job that calls Inbox.Deliver.
type DeliverArgs struct {
	DeliveryID id.Delivery `json:"delivery_id"`
}

// Kind names the job.
func (DeliverArgs) Kind() string { return "webhook_deliver" }

// InsertOpts lets a receiver that is slow hold up only its like.
func (DeliverArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: MaxDeliveries, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// Queue is where deliveries wait.
const Queue = "webhook"

// SweepArgs is the periodic job that calls Inbox.Sweep.
type SweepArgs struct{}

// Kind names the job.
func (SweepArgs) Kind() string { return "notification_retention" }

// InsertOpts lets a period have one, whoever leads.
func (SweepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByPeriod: time.Hour}}
}
