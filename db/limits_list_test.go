package db

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// The list goes along the primary key, and looks up a name only for what it shows.
func TestLimitListWalksAnIndex(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, sql := range []string{`
		INSERT INTO limits (id, subject, subject_name, dimension, limit_window, amount)
		SELECT gen_random_uuid(), 'tag', 'n=' || i, 'requests', 'day', 1
		FROM generate_series(1, 5000) AS i`, `
		INSERT INTO limits (id, subject, subject_id, subject_name, dimension, limit_window, amount)
		SELECT gen_random_uuid(), 'key', gen_random_uuid(), '', 'requests', 'day', 1
		FROM generate_series(1, 5000) AS i`,
		"ANALYZE limits",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		filter LimitFilter
		want   string
	}{
		"all":         {LimitFilter{}, "limits_pkey"},
		"a subject's": {LimitFilter{Subject: "key", SubjectID: uuid.New()}, "limits_subject_key"},
	} {
		sql, args := listLimits(c.filter, &LimitKey{ID: id.New[id.Limit]()}, false, 21)
		plan := explain(t, pool, sql, args...)
		if !strings.Contains(plan, c.want) || strings.Contains(plan, "Seq Scan on limits") {
			t.Errorf("%s: want %s:\n%s", name, c.want, plan)
		}
	}
}
