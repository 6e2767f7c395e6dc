package e2e

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A line is one request in the log with what the ledger has of it.
type line struct {
	RequestID string
	Outcome   string
	Estimated bool
	Charge    *int64 // nano-credits
	Entries   int
	Booked    int64 // sum of those entries, negative
}

// books are all lines of a tenant.
func books(t testing.TB, conn *pgx.Conn, c *tenant) []line {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT r.request_id, r.outcome, r.estimated, r.charge, count(e.id)::int, coalesce(sum(e.amount), 0)::bigint
		FROM requests r
		LEFT JOIN credit_entries e ON e.request_id = r.id AND e.kind = 'charge'
		WHERE r.model = $1
		GROUP BY r.id, r.started_at, r.request_id, r.outcome, r.estimated, r.charge`, c.model)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[line])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// listed waits until the log has all of the ids, which must not take longer than within.
func listed(t testing.TB, conn *pgx.Conn, ids []string, within time.Duration) {
	t.Helper()
	missing := 0
	took := eventually(t, patience(within), "every answered request is listed", func() bool {
		if scan[int](t, conn, `SELECT count(*) FROM requests`) < len(ids) { // which is asked more quickly
			return false
		}
		missing = len(ids) - scan[int](t, conn, `SELECT count(DISTINCT request_id) FROM requests WHERE request_id = ANY($1)`, ids)
		return missing == 0
	})
	t.Logf("%d requests listed within %s", len(ids), took.Round(time.Millisecond))
}

// agree compares what the caller saw with the log, the log with the ledger, and the ledger with itself. broken are
// requests that were under way when a node died: they may be whole, cut off or unknown, but are there once at most. It
// returns how many are in the log as cut off.
func agree(t testing.TB, conn *pgx.Conn, c *tenant, answered, broken []string) (truncated int) {
	t.Helper()
	times, charged := map[string]int{}, int64(0)
	wasAnswered, wasBroken := set(answered), set(broken)
	for _, l := range books(t, conn, c) {
		times[l.RequestID]++
		switch {
		case l.Charge == nil || *l.Charge < 0:
			t.Errorf("%s is %s without a charge", l.RequestID, l.Outcome)
			continue
		case *l.Charge > 0 && (l.Entries != 1 || l.Booked != -*l.Charge), *l.Charge == 0 && l.Booked != 0:
			t.Errorf("%s is charged %d, and the ledger has %d entries of %d in all", l.RequestID, *l.Charge, l.Entries, l.Booked)
		}
		charged += *l.Charge
		if l.Outcome == "TRUNCATED" {
			truncated++
		}
		isAnswered, isBroken := wasAnswered[l.RequestID], wasBroken[l.RequestID]
		switch {
		case isAnswered && (l.Outcome != "OK" || l.Estimated || *l.Charge == 0):
			t.Errorf("%s was answered, and is logged as %s for %d, estimated: %t", l.RequestID, l.Outcome, *l.Charge, l.Estimated)
		case isBroken && l.Outcome != "OK" && (l.Outcome != "TRUNCATED" || !l.Estimated):
			t.Errorf("%s was cut off by a kill, and is logged as %s, estimated: %t", l.RequestID, l.Outcome, l.Estimated)
		case !isAnswered && !isBroken && l.RequestID != "":
			t.Errorf("%s is in the log and was never sent", l.RequestID)
		}
	}
	for _, id := range answered {
		if times[id] != 1 {
			t.Errorf("%s was answered, and stands in the log %d times", id, times[id])
		}
	}
	for _, id := range broken {
		if times[id] > 1 {
			t.Errorf("%s stands in the log %d times", id, times[id])
		}
	}
	sums(t, conn, c, charged)
	return truncated
}

func set(ids []string) map[string]bool {
	in := make(map[string]bool, len(ids))
	for _, id := range ids {
		in[id] = true
	}
	return in
}

// sums holds the balance and the minute counts of a tenant against what its requests were charged in all.
func sums(t testing.TB, conn *pgx.Conn, c *tenant, charged int64) {
	t.Helper()
	var balance, entries, spent int64
	err := conn.QueryRow(t.Context(), `
		SELECT a.balance, sum(e.amount)::bigint, coalesce(sum(e.amount) FILTER (WHERE e.kind = 'charge'), 0)::bigint
		FROM credit_accounts a
		JOIN users u ON u.id = a.user_id
		JOIN credit_entries e ON e.account_id = a.id
		WHERE u.email = $1
		GROUP BY a.id`, c.email).Scan(&balance, &entries, &spent)
	if err != nil {
		t.Fatalf("balance: %v", err)
	}
	if balance != entries || spent != -charged {
		t.Errorf("balance %d, entries %d in all; charges in the ledger %d, in the log %d", balance, entries, -spent, charged)
	}
	minutes := scan[int64](t, conn, `SELECT coalesce(sum(charge), 0)::bigint FROM usage_buckets WHERE step_seconds = 60 AND model = $1`, c.model)
	requests := scan[int64](t, conn, `SELECT coalesce(sum(requests), 0)::bigint FROM usage_buckets WHERE step_seconds = 60 AND model = $1`, c.model)
	if logged := scan[int64](t, conn, `SELECT count(*) FROM requests WHERE model = $1`, c.model); minutes != charged || requests != logged {
		t.Errorf("the minutes have %d requests for %d, the log %d for %d", requests, minutes, logged, charged)
	}
}
