package db

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestFilterSendsValuesAsParameters(t *testing.T) {
	t.Parallel()
	var f filter
	if got := f.String(); got != "" {
		t.Errorf("empty: %q", got)
	}
	f.where("a = ?", 1)
	f.where("(b, c) < (?, ?)", "x'; DROP TABLE users; --", "?")
	if got, want := f.String(), " WHERE a = $1 AND (b, c) < ($2, $3)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if diff := cmp.Diff([]any{1, "x'; DROP TABLE users; --", "?"}, f.args); diff != "" {
		t.Error(diff)
	}
}

func TestFilterGoesOnBehindAKey(t *testing.T) {
	t.Parallel()
	var f filter
	if got, want := f.behind(nil, false, "id"), " ORDER BY id DESC"; got != want || f.String() != "" {
		t.Errorf("beginning: %q, %q", got, f.String())
	}
	if got, want := f.behind([]any{1, 2}, true, "at", "id"), " ORDER BY at, id"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.behind([]any{3, 4}, false, "at", "id")
	if got, want := f.String(), " WHERE (at, id) > ($1, $2) AND (at, id) < ($3, $4)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestContainsTakesPatternSignsAsText(t *testing.T) {
	t.Parallel()
	if got, want := contains(`50%_\`), `%50\%\_\\%`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// explain is the plan of a query, as EXPLAIN prints it.
func explain(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "EXPLAIN (COSTS off) "+sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
