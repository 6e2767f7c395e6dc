package credit

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/notify"
)

// TestMismatchesAreToldAndNotMended: of all accounts those that differ, either way, and nothing of them changes.
func TestMismatchesAreToldAndNotMended(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.open(100)
	_, more := b.open(50)
	_, less := b.open(70)
	tell := func() []notify.Message {
		t.Helper()
		in := &letters{}
		n, err := b.ledger.TellMismatches(job(t.Context()), in)
		if err != nil || n != len(in.sent) {
			t.Fatalf("%d differ, %d told: %v", n, len(in.sent), err)
		}
		return in.sent
	}
	if got := tell(); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	b.exec(`UPDATE credit_accounts SET balance = balance + 1 WHERE id = $1`, more)
	b.exec(`DELETE FROM credit_entries WHERE account_id = $1`, less)
	b.exec(`INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key) VALUES ($1, $1, 'grant', 90, 'one')`, less)
	for range 2 { // the inbox keeps what was told from being told again
		got := tell()
		if len(got) != 2 {
			t.Fatalf("%+v", got)
		}
		for i, want := range []map[string]string{
			{"account": more.String(), "balance": "0.000000051", "entries": "0.00000005"},
			{"account": less.String(), "balance": "0.00000007", "entries": "0.00000009"},
		} {
			m := got[i]
			if !m.To.Admins || m.Kind != KindMismatch || m.Severity != notify.Error || !cmp.Equal(m.Details, want) || m.Matter == "" || m.Repeat == 0 {
				t.Errorf("%+v", m)
			}
		}
	}
	if s := b.standing(more); s.Balance != 51 || s.Entries != 50 {
		t.Errorf("mended: %+v", s)
	}
	if s := b.standing(less); s.Balance != 70 || s.Entries != 90 {
		t.Errorf("mended: %+v", s)
	}
	if _, err := b.ledger.TellMismatches(job(t.Context()), &letters{fail: errors.New("full")}); err == nil {
		t.Error("what could not be told is no failure")
	}
}
