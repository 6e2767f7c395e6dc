package db

import (
	"strings"
	"testing"
	"time"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// Every page of the console counts what is unread, so it and the list walk an index: no sort, no scan.
func TestNotificationListWalksAnIndex(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = pool.Exec(t.Context(), `
		INSERT INTO users (id, email, role, password_hash)
		SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, i || '@example.com', 'member', ''
		FROM generate_series(0, 99) AS i`)
	if err == nil {
		_, err = pool.Exec(t.Context(), `
		INSERT INTO notifications (id, user_id, kind, severity, title, created_at, read_at)
		SELECT gen_random_uuid(), ('00000000-0000-7000-8000-' || lpad((i % 100)::text, 12, '0'))::uuid, 'test', 'info', '',
			now() - i * interval '1 second', CASE WHEN i % 200 > 99 THEN now() END
		FROM generate_series(1, 40000) AS i`)
	}
	if err == nil {
		_, err = pool.Exec(t.Context(), "ANALYZE notifications")
	}
	if err != nil {
		t.Fatal(err)
	}
	user := id.User{UUID: [16]byte{6: 0x70, 8: 0x80, 15: 7}}
	for name, unread := range map[string]bool{"notifications_user_id_idx": false, "notifications_unread_idx": true} {
		filter := NotificationFilter{UserID: user, Unread: unread}
		for _, oldestFirst := range []bool{false, true} {
			key := &NotificationKey{At: time.Now().Add(-5 * time.Hour), ID: id.New[id.Notification]()}
			sql, args := listNotifications(filter, key, oldestFirst, 21)
			if plan := explain(t, pool, sql, args...); !strings.Contains(plan, name) || strings.Contains(plan, "Sort") {
				t.Errorf("unread %t, oldest first %t: want a walk of %s:\n%s", unread, oldestFirst, name, plan)
			}
		}
	}
	if plan := explain(t, pool, countUnreadNotifications, user, 100); !strings.Contains(plan, "notifications_unread_idx") {
		t.Errorf("the count of unread ones: %s", plan)
	}
}
