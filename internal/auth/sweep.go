package auth

import (
	"context"
	"fmt"
	"time"

	"aihigress/db"
	"aihigress/internal/authz"
)

const (
	// sweepBatch is how many rows one statement deletes.
	sweepBatch = 1000
	// keepEnded is how long an ended session is kept: longer than any access token of it lives.
	keepEnded = 7 * 24 * time.Hour
)

// Sweep deletes sessions that ended a week ago, refresh tokens that expired, and cookies that did. It is for a job, and
// may be cut short and run anywhere.
func (a *Auth) Sweep(ctx context.Context) (deleted int64, err error) {
	if _, err := authz.Require(ctx, authz.SessionSweep); err != nil {
		return 0, err
	}
	now := a.now()
	for what, batch := range map[string]func() (int64, error){
		"sessions": func() (int64, error) {
			return a.q.DeleteEndedSessions(ctx, a.pool, db.DeleteEndedSessionsParams{
				EndedBefore: now.Add(-keepEnded), SeenBefore: now.Add(-IdleTimeout - keepEnded), RowLimit: sweepBatch,
			})
		},
		"refresh tokens": func() (int64, error) {
			return a.q.DeleteExpiredRefreshTokens(ctx, a.pool, db.DeleteExpiredRefreshTokensParams{ExpiredBefore: now, RowLimit: sweepBatch})
		},
		"cookies": func() (int64, error) {
			return a.q.DeleteExpiredSessionCookies(ctx, a.pool, db.DeleteExpiredSessionCookiesParams{ExpiredBefore: now, RowLimit: sweepBatch})
		},
	} {
		for n := int64(sweepBatch); n == sweepBatch; deleted += n {
			if n, err = batch(); err != nil {
				return deleted, fmt.Errorf("sweep %s: %w", what, db.Classify(err))
			}
		}
	}
	return deleted, nil
}
