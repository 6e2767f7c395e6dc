package db

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"aihigress/internal/devstack/pgtest"
)

// What is old of the sums is found by the primary key: there are very many of them, and mostly none is old.
func TestOldSumsAreFoundByTheirTime(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, sql := range []string{
		`INSERT INTO usage_sums (step_seconds, dimension, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused,
			input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
			duration_histogram, first_token_histogram)
		SELECT 3600, dimension, timestamptz '2026-01-31 23:00+00' - i * interval '1 hour', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'm',
			1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, '{}', '{}'
		FROM unnest(ARRAY['all', 'user', 'key', 'provider', 'model', 'user_provider', 'user_model']) AS dimension, generate_series(1, 3000) AS i`,
		"ANALYZE usage_sums",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	plan := explain(t, pool, deleteUsageSums, oldSums(t)...)
	for line := range strings.Lines(plan) {
		if strings.Contains(line, "started_at < ") && strings.Contains(line, "Index Cond") && strings.Contains(line, "dimension = '") {
			return
		}
	}
	t.Errorf("all sums of a step are read:\n%s", plan)
}

// oldSums are the query's arguments in its order.
func oldSums(t *testing.T) (args []any) {
	t.Helper()
	p := DeleteUsageSumsParams{StepSeconds: 3600, Dimension: "user_model", Before: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), RowLimit: 1000}
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		args = append(args, v.Field(i).Interface())
	}
	return args
}
