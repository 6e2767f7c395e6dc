package main

import (
	"log/slog"
	"testing"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/event"
	"aihigress/internal/usage"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestQuestionsAreAnswered fills a small log, once, and asks everything of it.
func TestQuestionsAreAnswered(t *testing.T) {
	t.Parallel()
	pool, err := db.Open(t.Context(), pgtest.New(t), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	ctx := authz.With(t.Context(), authz.Job("test"))
	reports := usage.NewReports(pool, event.New(nil, slog.New(slog.DiscardHandler)))
	const rows = 1000
	w := newWorld(16)
	for range 2 {
		if err := w.fill(ctx, pool, reports, rows); err != nil {
			t.Fatal(err)
		}
	}
	var there, counted int
	if err := pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM requests), (SELECT sum(requests) FROM usage_sums WHERE step_seconds = 3600 AND dimension = 'all')`).Scan(&there, &counted); err != nil {
		t.Fatal(err)
	}
	if there != rows || counted != rows {
		t.Errorf("%d requests and %d counted, want %d", there, counted, rows)
	}
	questions, err := w.questions(ctx, pool, reports)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range questions {
		if _, err := q.ask(ctx); err != nil {
			t.Errorf("%s: %v", q.name, err)
		}
	}
}
