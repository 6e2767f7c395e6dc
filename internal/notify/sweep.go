package notify

import (
	"context"
	"fmt"
	"time"

	"aihigress/db"
	"aihigress/internal/authz"
)

const (
	// kept is how long a notification is kept.
	kept = 90 * 24 * time.Hour
	// keptOfUser is how many of one user are kept, the newest.
	keptOfUser = 1000
	// sweepBatch is how many rows one statement deletes.
	sweepBatch = 1000
)

// Sweep deletes notifications that are too old or too many, with their deliveries, and matters that kept still. It is for a
// job.
func (in *Inbox) Sweep(ctx context.Context) (deleted int64, err error) {
	if _, err := authz.Require(ctx, authz.NotificationSend); err != nil {
		return 0, err
	}
	before := in.Now().Add(-kept)
	for _, batch := range []func() (int64, error){
		func() (int64, error) {
			return in.q.DeleteOldNotifications(ctx, in.Pool, db.DeleteOldNotificationsParams{Before: before, RowLimit: sweepBatch})
		},
		func() (int64, error) {
			return in.q.DeleteSurplusNotifications(ctx, in.Pool, db.DeleteSurplusNotificationsParams{Kept: keptOfUser, RowLimit: sweepBatch})
		},
		func() (int64, error) {
			return in.q.DeleteOldMatters(ctx, in.Pool, db.DeleteOldMattersParams{Before: before, RowLimit: sweepBatch})
		},
	} {
		for n := int64(sweepBatch); n == sweepBatch; {
			if n, err = batch(); err != nil {
				return deleted, fmt.Errorf("delete old notifications: %w", db.Classify(err))
			}
			deleted += n
		}
	}
	return deleted, nil
}
