package credit

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/notify"
)

// chain is the balances of an account's closings from the first on, each of which must begin where the one before it ended.
func (b *bank) chain(t interface{ Fatalf(string, ...any) }, account id.Account) []money.Amount {
	rows, err := b.pool.Query(b.t.Context(), `
		SELECT c.balance, c.entries, c.since, coalesce(c.since_number, -1), c.number, (
			SELECT count(*) FROM credit_entries e
			WHERE e.account_id = c.account_id AND coalesce(e.number, 0) > coalesce(c.since_number, -1) AND coalesce(e.number, 0) <= c.number)
		FROM credit_closings c WHERE c.account_id = $1 ORDER BY c.number`, account)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer rows.Close()
	var chain []money.Amount
	last := int64(-1)
	for rows.Next() {
		var balance, since money.Amount
		var entries, sinceNumber, number, counted int64
		if err := rows.Scan(&balance, &entries, &since, &sinceNumber, &number, &counted); err != nil {
			t.Fatalf("%v", err)
		}
		if sinceNumber != last || len(chain) > 0 && since != chain[len(chain)-1] || entries != counted {
			t.Fatalf("after %v at %d comes a closing since %d at %d, with %d entries of %d", chain, last, since, sinceNumber, entries, counted)
		}
		chain, last = append(chain, balance), number
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%v", err)
	}
	return chain
}

func (b *bank) verify() []Mismatch {
	b.t.Helper()
	found, err := b.ledger.Verify(job(b.t.Context()))
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// TestClosings: what was found right is not read again, and each closing goes on where the one before it ended.
func TestClosings(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	_, unused := b.open(0)
	var want []money.Amount
	step := func(do func()) {
		t.Helper()
		do()
		for range 2 { // the second finds nothing new
			if found := b.verify(); len(found) != 0 {
				t.Fatalf("%+v", found)
			}
		}
		if got := b.chain(t, account); !cmp.Equal(got, want) {
			t.Fatalf("closed with %v, want %v", got, want)
		}
	}
	step(func() {})
	want = append(want, 100)
	step(func() { b.grant(user, 100) })
	step(func() {})
	want = append(want, 30)
	late := charge(account, 60) // a node that was away books what is older than the last closing
	late.At = time.Now().Add(-48 * time.Hour)
	step(func() { b.book(id.New[id.Node](), charge(account, 10), late) })
	want = append(want, 130)
	step(func() { b.lot(user, 100, time.Hour) })
	want = append(want, 30)
	step(func() {
		b.pass(2 * time.Hour)
		b.expire()
	})
	if got := b.chain(t, unused); len(got) != 0 {
		t.Errorf("an account without entries is closed: %v", got)
	}
}

// TestEntriesFromBeforeClosings have no number, and are in the first closing.
func TestEntriesFromBeforeClosings(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(100)
	b.grant(user, 20)
	b.exec(`UPDATE credit_entries SET number = NULL`)
	if found := b.verify(); len(found) != 0 || !cmp.Equal(b.chain(t, account), []money.Amount{120}) {
		t.Errorf("%+v, %v", found, b.chain(t, account))
	}
	b.grant(user, 3)
	if found := b.verify(); len(found) != 0 || !cmp.Equal(b.chain(t, account), []money.Amount{120, 123}) {
		t.Errorf("%+v, %v", found, b.chain(t, account))
	}
}

// TestTamperingSinceAClosingIsFound: of balances, entries and closings. What is wrong is not closed.
func TestTamperingSinceAClosingIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tamper  string
		balance money.Amount
		entries money.Amount
	}{
		"a balance":             {`UPDATE credit_accounts SET balance = balance + 1 WHERE id = $1`, 151, 150},
		"an entry's amount":     {`UPDATE credit_entries SET amount = 60 WHERE account_id = $1 AND amount = 50`, 150, 160},
		"an entry taken away":   {`DELETE FROM credit_entries WHERE account_id = $1 AND amount = 50`, 150, 100},
		"an entry put in":       {`INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key) VALUES ($1, $1, 'grant', 7, 'x')`, 150, 157},
		"the closing":           {`UPDATE credit_closings SET balance = 99 WHERE account_id = $1`, 150, 149},
		"the closing is gone":   {`DELETE FROM credit_closings WHERE account_id = $1`, 150, 150},
		"more than can be kept": {`UPDATE credit_entries SET amount = 9223372036854775807 WHERE account_id = $1 AND amount = 50`, 150, math.MaxInt64},
		"less than can be kept": {`UPDATE credit_entries SET amount = -9223372036854775807 WHERE account_id = $1 AND amount = 50`, 150, 100 - math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			user, account := b.open(100)
			_, other := b.open(5)
			if found := b.verify(); len(found) != 0 {
				t.Fatalf("%+v", found)
			}
			b.grant(user, 50)
			b.exec(c.tamper, account)
			closed := b.chain(t, account)
			want := []Mismatch{{account, c.balance, c.entries}}
			if c.balance == c.entries {
				want = nil // all entries are read again, and are right
			}
			for range 2 {
				if diff := cmp.Diff(want, b.verify()); diff != "" {
					t.Error(diff)
				}
			}
			if got := b.chain(t, account); want != nil && !cmp.Equal(got, closed) {
				t.Errorf("it was closed: %v, before %v", got, closed)
			}
			if got := b.chain(t, other); !cmp.Equal(got, []money.Amount{5}) {
				t.Errorf("another account: %v", got)
			}
		})
	}
}

// TestClosingWhileBooksMove: what is booked at the same time is in one closing or the next, and nothing differs.
func TestClosingWhileBooksMove(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	users, accounts := make([]id.User, 3), make([]id.Account, 3)
	for i := range users {
		users[i], accounts[i] = b.open(1000)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := range 30 {
				b.book(id.New[id.Node](), charge(accounts[i%3], 1), charge(accounts[(i+1)%3], 2))
				b.grant(users[i%3], 1)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 20 {
				if found := b.verify(); len(found) != 0 {
					t.Errorf("%+v", found)
				}
			}
		})
	}
	wg.Wait()
	if found := b.verify(); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	for _, account := range accounts {
		if chain := b.chain(t, account); chain[len(chain)-1] != b.standing(account).Balance {
			t.Errorf("closed with %v, %+v", chain, b.standing(account))
		}
	}
}

// TestManyAccountsAreVerified: more than one statement compares.
func TestManyAccountsAreVerified(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.exec(`INSERT INTO users (id, email, role, password_hash) SELECT gen_random_uuid(), n || '@example.com', 'member', '' FROM generate_series(1, $1::integer) AS n`, verifyBatch+50)
	b.exec(`INSERT INTO credit_accounts (id, user_id, balance) SELECT gen_random_uuid(), id, 1 FROM users`)
	if found := b.verify(); len(found) != maxMismatches {
		t.Errorf("%d differ are told, want %d", len(found), maxMismatches)
	}
	b.exec(`INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key) SELECT id, id, 'grant', 1, 'one' FROM credit_accounts`)
	if found := b.verify(); len(found) != 0 {
		t.Errorf("%+v", found[:1])
	}
	var closed int
	if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM credit_closings`).Scan(&closed); err != nil || closed != verifyBatch+50 {
		t.Errorf("%d closed, %v", closed, err)
	}
}

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
	b.exec(`INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key) VALUES ($1, $1, 'grant', 20, 'one')`, less)
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
