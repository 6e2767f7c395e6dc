package db

import (
	"strings"
	"testing"
	"time"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// The log only grows, so each of its common questions walks an index in the order of the list: no sort, no scan.
func TestAuditEventListWalksAnIndex(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = pool.Exec(t.Context(), `
		INSERT INTO audit_events (id, at, actor_kind, actor_id, action, target)
		SELECT gen_random_uuid(), now() - i * interval '1 second', 'user',
			('00000000-0000-7000-8000-' || lpad((i % 200)::text, 12, '0'))::uuid, 'key.create', 'key_' || i % 500
		FROM generate_series(1, 20000) AS i`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "ANALYZE audit_events"); err != nil {
		t.Fatal(err)
	}
	actor := id.New[id.User]()
	for name, c := range map[string]struct {
		filter AuditEventFilter
		index  string
	}{
		"all":    {AuditEventFilter{}, "audit_events_at_idx"},
		"range":  {AuditEventFilter{From: time.Now().Add(-time.Hour), To: time.Now()}, "audit_events_at_idx"},
		"actor":  {AuditEventFilter{ActorID: &actor}, "audit_events_actor_id_idx"},
		"target": {AuditEventFilter{Target: "key_7"}, "audit_events_target_idx"},
	} {
		for _, oldestFirst := range []bool{false, true} {
			key := &AuditEventKey{At: time.Now().Add(-time.Minute), ID: id.New[id.Audit]()}
			sql, args := listAuditEvents(c.filter, key, oldestFirst, 21)
			plan := explain(t, pool, sql, args...)
			if !strings.Contains(plan, "using "+c.index) || strings.Contains(plan, "Sort") {
				t.Errorf("%s, oldest first %v: want a walk of %s:\n%s", name, oldestFirst, c.index, plan)
			}
		}
	}
}
