package db

import (
	"strings"
	"testing"
	"time"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// A statement reads the days that it is of, of the counts and of the log, and not all there are.
func TestStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, sql := range []string{
		`INSERT INTO usage_buckets (step_seconds, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused,
			input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
			duration_histogram, first_token_histogram, updated_at)
		SELECT step, date_trunc(unit, timestamptz '2026-01-31 23:59+00' - i * step * interval '1 second', 'UTC'), gen_random_uuid(),
			gen_random_uuid(), gen_random_uuid(), 'm', 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, '{}', '{}',
			timestamptz '2026-01-31 23:59+00' - i * step * interval '1 second'
		FROM (VALUES (60, 'minute', 20000), (3600, 'hour', 8000), (86400, 'day', 1000)) AS steps (step, unit, n), generate_series(1, n) AS i`,
		"ANALYZE usage_buckets",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	to := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	q := StatementQuery{From: to.AddDate(0, 0, -7), To: to, ByModel: true, ByDay: true, ChangedSince: to.Add(-time.Hour), Oldest: to.AddDate(0, 0, -13)}
	user := id.New[id.User]()
	for name, change := range map[string]func(*StatementQuery){
		"counts":         func(*StatementQuery) {},
		"of a user":      func(q *StatementQuery) { q.Owner = &user },
		"the log by tag": func(q *StatementQuery) { q.ByTag = "team" },
	} {
		q := q
		change(&q)
		sql, args := q.sql()
		plan := explain(t, pool, sql, args...)
		if strings.Contains(plan, "Seq Scan on usage_buckets") || strings.Contains(plan, "Seq Scan on requests_20") {
			t.Errorf("%s:\n%s", name, plan)
		}
	}
}
