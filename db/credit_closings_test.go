package db

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// TestClosingReadsNewEntriesOnly: of an account with many entries those since its last closing, by an index.
func TestClosingReadsNewEntriesOnly(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	const old, recent = 20_000, 7
	insert := `INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key)
		SELECT gen_random_uuid(), a.id, 'charge', -1, $1::text || n FROM credit_accounts a, generate_series(1, $2::integer) AS n`
	run := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	run(`INSERT INTO users (id, email, role, password_hash) SELECT gen_random_uuid(), n || '@example.com', 'member', '' FROM generate_series(1, 3) AS n`)
	run(`INSERT INTO credit_accounts (id, user_id, balance) SELECT gen_random_uuid(), id, -$1::bigint FROM users`, old)
	run(insert, "old", old)
	run("ANALYZE credit_entries, credit_accounts, credit_closings")
	if read := entriesRead(t, pool); read != 3*old {
		t.Errorf("the first time %d entries are read, want all %d", read, 3*old)
	}
	if _, err := New().CloseAccounts(t.Context(), pool, CloseAccountsParams{RowLimit: 10}); err != nil {
		t.Fatal(err)
	}
	run(insert, "recent", recent)
	run(`UPDATE credit_accounts SET balance = balance - $1`, recent)
	if read := entriesRead(t, pool); read != 3*recent {
		t.Errorf("%d entries are read, want %d", read, 3*recent)
	}
}

// entriesRead is how many entries a round of closings reads, which is taken back.
func entriesRead(t *testing.T, pool *pgxpool.Pool) int {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	var raw []byte
	if err := tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+closeAccounts, 10, id.Account{}).Scan(&raw); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan step }
	if err := json.Unmarshal(raw, &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.read("credit_entries")
}

// A step is one of a query's plan, as far as it was run.
type step struct {
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []step
}

func (s step) read(relation string) (n int) {
	if s.Relation == relation {
		n = int((s.Rows + s.Removed) * s.Loops)
	}
	for _, below := range s.Plans {
		n += below.read(relation)
	}
	return n
}
