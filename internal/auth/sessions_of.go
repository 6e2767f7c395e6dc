package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// MaxBatch is how many users SessionsOf asks about at once.
const MaxBatch = 1000

// SessionsOf is where several users are signed in, each one's last used first, by one query. Users whose sessions the actor may
// not read have no entry.
func (a *Auth) SessionsOf(ctx context.Context, users []id.User) (map[id.User][]Session, error) {
	grant, err := authz.Require(ctx, authz.SessionRead)
	if err != nil {
		return nil, err
	}
	if len(users) > MaxBatch {
		return nil, fault.New(fault.Invalid, "at most %d users at once", MaxBatch)
	}
	found := map[id.User][]Session{}
	var ids []uuid.UUID
	for _, user := range users {
		if grant.Owner(user) == nil {
			found[user] = []Session{}
			ids = append(ids, user.UUID)
		}
	}
	now := a.now()
	rows, err := a.q.ActiveSessionsByUsers(ctx, a.pool, db.ActiveSessionsByUsersParams{
		UserIds: ids, Now: now, IdleSince: now.Add(-IdleTimeout), RowLimit: MaxBatch * MaxSessions,
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", db.Classify(err))
	}
	for _, row := range rows {
		s := fromRow(row)
		s.Current = s.ID == grant.Session
		found[s.UserID] = append(found[s.UserID], s)
	}
	return found, nil
}
