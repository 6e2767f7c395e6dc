package credit

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"aihigress/db"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// TestChargesAreBookedOnce offers charges again and again, in a batch and over batches: each lowers its balance and its
// node's lease once.
func TestChargesAreBookedOnce(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, first := b.open(money.Credit)
	_, second := b.open(money.Credit)
	node := id.New[id.Node]()
	undo := errors.New("undo")
	rapid.Check(t, func(t *rapid.T) {
		charges := make([]Charge, 10)
		for i := range charges {
			charges[i] = charge(rapid.SampledFrom([]id.Account{first, second}).Draw(t, "account"), money.Amount(rapid.Int64Range(0, 1000).Draw(t, "amount")))
		}
		offered := map[int]bool{}
		want := map[id.Account]money.Amount{first: money.Credit, second: money.Credit}
		ctx := job(context.Background())
		err := db.InTx(ctx, b.pool, func(tx pgx.Tx) error {
			for range 3 {
				var batch []Charge
				for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(charges)-1), 0, 8).Draw(t, "batch") {
					batch = append(batch, charges[i])
					if !offered[i] {
						offered[i] = true
						want[charges[i].Account] -= charges[i].Amount
					}
				}
				if _, err := b.ledger.BookTx(ctx, tx, node, batch); err != nil {
					t.Fatal(err)
				}
			}
			for account, balance := range want {
				var got, entries money.Amount
				err := tx.QueryRow(ctx, `SELECT balance, (SELECT sum(amount) FROM credit_entries WHERE account_id = $1)::bigint FROM credit_accounts WHERE id = $1`, account).Scan(&got, &entries)
				if err != nil || got != balance || entries != balance {
					t.Fatalf("a balance of %s, entries of %s, want %s: %v", got, entries, balance, err)
				}
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
	})
}

// Charges that come to more than there is room for are refused, and not booked as something else.
func TestChargesBeyondAllNumbers(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(money.Credit)
	err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := b.ledger.BookTx(job(t.Context()), tx, id.New[id.Node](), []Charge{charge(account, math.MaxInt64), charge(account, math.MaxInt64)})
		return err
	})
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "22003" { // numeric_value_out_of_range
		t.Errorf("%v, want a number out of range", err)
	}
	if s := b.standing(account); s.Balance != money.Credit || s.Entries != money.Credit {
		t.Errorf("%+v", s)
	}
}

// Charges of several days are taken from the budgets of their own days and months.
func TestSumsAreOfDays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 31, 23, 59, 59, 0, time.FixedZone("", -3*3600)) // April in UTC
	user, key := id.New[id.User](), id.New[id.Key]()
	account := id.New[id.Account]()
	s := sumUp([]Charge{
		{Account: account, User: user, Key: key, Amount: 1, At: at},
		{Account: account, User: user, Key: key, Amount: 2, At: at.Add(-20 * time.Hour)},
		{Account: account, User: user, Key: key, Amount: 4, At: at.Add(time.Hour)},
		{Account: account, User: user, Key: key, Amount: math.MaxInt64, At: at},
	})
	if len(s.accounts) != 2 || s.amounts[0] != 7 || s.amounts[1] != math.MaxInt64 {
		t.Errorf("accounts %v, amounts %v", s.accounts, s.amounts)
	}
	got := map[string][]int64{}
	for i, owner := range s.owners {
		if owner == key.UUID {
			day := s.days[i].Format(time.DateTime)
			got[day] = append(got[day], s.owed[i])
		}
	}
	if march, april := got["2026-03-31 00:00:00"], got["2026-04-01 00:00:00"]; len(got) != 2 || len(march) != 1 || march[0] != 2 || len(april) != 2 || april[0] != 5 || april[1] != math.MaxInt64 {
		t.Errorf("sums of the key by day: %v", got)
	}
	if !s.since.Equal(at.Add(-20 * time.Hour)) {
		t.Errorf("since %s", s.since)
	}
}
