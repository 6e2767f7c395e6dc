package notify

import (
	"context"
	"fmt"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/event"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

// UnreadLimit is up to where unread notifications are counted.
const UnreadLimit = 100

// A Filter cuts the list. Zero fields do not cut.
type Filter struct {
	Unread      bool
	OldestFirst bool
}

// Get is one of the actor's notifications.
func (in *Inbox) Get(ctx context.Context, notification id.Notification) (Notification, error) {
	grant, err := authz.Require(ctx, authz.NotificationRead)
	if err != nil {
		return Notification{}, err
	}
	row, err := in.q.GetNotification(ctx, in.Pool, notification)
	if err != nil {
		return Notification{}, fmt.Errorf("get notification: %w", db.Classify(err))
	}
	if row.UserID != grant.UserID {
		return Notification{}, fault.New(fault.NotFound, "not found")
	}
	return fromRow(row), nil
}

// List is a page of the actor's notifications, newest first unless the filter says otherwise.
func (in *Inbox) List(ctx context.Context, f Filter, args page.Args) (page.Page[Notification], error) {
	var none page.Page[Notification]
	grant, err := authz.Require(ctx, authz.NotificationRead)
	if err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	var key db.NotificationKey
	after := &key
	if ok, err := page.Decode(args.After, after); err != nil {
		return none, err
	} else if !ok {
		after = nil
	}
	filter := db.NotificationFilter{UserID: grant.UserID, Unread: f.Unread}
	rows, err := in.q.ListNotifications(ctx, in.Pool, filter, after, f.OldestFirst, size+1)
	if err != nil {
		return none, fmt.Errorf("list notifications: %w", db.Classify(err))
	}
	n, err := in.q.CountNotifications(ctx, in.Pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count notifications: %w", db.Classify(err))
	}
	p := page.New(fromRows(rows), size, func(n Notification) string {
		return page.Encode(db.NotificationKey{At: n.CreatedAt, ID: n.ID})
	})
	p.Total = page.Counted(n)
	return p, nil
}

// Unread is how many of the actor's notifications are unread, counted up to UnreadLimit.
func (in *Inbox) Unread(ctx context.Context) (int, error) {
	grant, err := authz.Require(ctx, authz.NotificationRead)
	if err != nil {
		return 0, err
	}
	n, err := in.q.CountUnreadNotifications(ctx, in.Pool, db.CountUnreadNotificationsParams{UserID: grant.UserID, RowLimit: UnreadLimit})
	if err != nil {
		return 0, fmt.Errorf("count unread notifications: %w", db.Classify(err))
	}
	return int(n), nil
}

// MarkRead marks those of the actor's unread notifications that are named, or all where ids is nil, and returns them. What is
// another's or read already is left as it is.
func (in *Inbox) MarkRead(ctx context.Context, ids []id.Notification) ([]Notification, error) {
	grant, err := authz.Require(ctx, authz.NotificationRead)
	if err != nil {
		return nil, err
	}
	if len(ids) > keptOfUser {
		return []Notification{}, fault.Field("ids", "at most %d notifications at once", keptOfUser)
	}
	now := in.Now().UTC()
	rows, err := in.q.MarkNotificationsRead(ctx, in.Pool, db.MarkNotificationsReadParams{
		UserID: grant.UserID, ReadAt: &now, Everything: ids == nil, Ids: uuids(ids),
	})
	if err != nil {
		return nil, fmt.Errorf("mark notifications read: %w", db.Classify(err))
	}
	return fromRows(rows), nil
}

// Received tells the actor of new notifications until ctx ends; then the channel is closed.
func (in *Inbox) Received(ctx context.Context) (<-chan Notification, error) {
	grant, err := authz.Require(ctx, authz.NotificationRead)
	if err != nil {
		return nil, err
	}
	all := event.Subscribe[Announcement](ctx, in.Bus, TopicReceived)
	own := make(chan Notification)
	go func() { // ends with all, which ends with ctx
		defer close(own)
		for a := range all {
			for _, n := range a.Notifications {
				if n.UserID != grant.UserID {
					continue
				}
				select {
				case own <- n:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return own, nil
}
