package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// NotificationFilter cuts a list of notifications. They are always of one user.
type NotificationFilter struct {
	UserID id.User
	Unread bool
}

// NotificationKey is where a notification stands in the list.
type NotificationKey struct {
	At time.Time
	ID id.Notification
}

func (f NotificationFilter) build() *filter {
	var w filter
	w.where("user_id = ?", f.UserID)
	if f.Unread {
		w.where("read_at IS NULL")
	}
	return &w
}

func listNotifications(f NotificationFilter, after *NotificationKey, oldestFirst bool, limit int) (string, []any) {
	w := f.build()
	var key []any
	if after != nil {
		key = []any{after.At, after.ID}
	}
	order := w.behind(key, oldestFirst, "created_at", "id")
	sql := "SELECT " + columns[Notification]() + " FROM notifications" + w.String() + order + " LIMIT " + w.param(limit)
	return sql, w.args
}

// ListNotifications is the notifications behind after, newest first unless oldestFirst.
func (q *Queries) ListNotifications(ctx context.Context, db DBTX, f NotificationFilter, after *NotificationKey, oldestFirst bool, limit int) ([]Notification, error) {
	sql, args := listNotifications(f, after, oldestFirst, limit)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Notification])
}

// CountNotifications counts the notifications, but at most limit of them.
func (q *Queries) CountNotifications(ctx context.Context, db DBTX, f NotificationFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "notifications", limit)
}
