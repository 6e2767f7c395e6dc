package db

import (
	"strings"
	"testing"
	"time"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// The log is the largest table, so each of its common questions has an index, and leaves out the days that it does not
// concern.
func TestRequestListUsesItsIndexes(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, sql := range []string{`
		CREATE TABLE requests_20260101 PARTITION OF requests
		FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-01-02 00:00+00')`, `
		CREATE TABLE requests_20260102 PARTITION OF requests
		FOR VALUES FROM ('2026-01-02 00:00+00') TO ('2026-01-03 00:00+00')`, `
		INSERT INTO requests (id, started_at, request_id, node_id, user_id, api_key_id, model, provider_id, dialect, endpoint,
			streamed, http_status, outcome, duration_us)
		SELECT gen_random_uuid(), timestamptz '2026-01-02 23:59+00' - i * interval '4 seconds', 'request-' || i,
			gen_random_uuid(), lpad((i % 100)::text, 32, '0')::uuid, lpad((i % 300)::text, 32, '0')::uuid, 'model-' || i % 50,
			lpad((i % 40)::text, 32, '0')::uuid, 'openai', 'chat.completions', true, 200,
			CASE WHEN i % 100 = 0 THEN 'UPSTREAM_ERROR' ELSE 'OK' END, 1000
		FROM generate_series(1, 40000) AS i`,
		"ANALYZE requests",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	user, key, provider := id.New[id.User](), id.New[id.Key](), id.New[id.Provider]()
	for name, c := range map[string]struct {
		filter RequestFilter
		index  string // of the second day
	}{
		"all":        {RequestFilter{}, "requests_20260102_pkey"},
		"range":      {RequestFilter{From: noon.Add(-time.Hour), To: noon}, "requests_20260102_pkey"},
		"reader":     {RequestFilter{Owner: &user}, "requests_20260102_user_id_"},
		"user":       {RequestFilter{UserID: &user}, "requests_20260102_user_id_"},
		"key":        {RequestFilter{KeyID: &key}, "requests_20260102_api_key_id_"},
		"model":      {RequestFilter{Model: "model-x"}, "requests_20260102_model_"},
		"provider":   {RequestFilter{ProviderID: &provider}, "requests_20260102_provider_id_"},
		"request id": {RequestFilter{RequestID: "request-77"}, "requests_20260102_request_id_"},
	} {
		for _, oldestFirst := range []bool{false, true} {
			after := &RequestKey{StartedAt: noon.Add(-time.Minute), ID: id.New[id.Request]()}
			sql, args := listRequests(c.filter, after, oldestFirst, 21)
			plan := explain(t, pool, sql, args...)
			if !strings.Contains(plan, " "+c.index) || strings.Contains(plan, "Seq Scan on requests_2026") {
				t.Errorf("%s, oldest first %v: want %s to be used:\n%s", name, oldestFirst, c.index, plan)
			}
			if oldestFirst && strings.Contains(plan, "requests_20260101") {
				t.Errorf("%s: a day that lies before the page is read:\n%s", name, plan)
			}
		}
	}

	// One request is looked for on its day alone.
	plan := explain(t, pool, getRequest, noon.Add(-time.Second), noon.Add(time.Second), id.New[id.Request](), &user)
	if !strings.Contains(plan, "Index Scan using requests_20260102_") || strings.Contains(plan, "requests_20260101") {
		t.Errorf("one request:\n%s", plan)
	}
}
