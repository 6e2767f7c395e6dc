package credit

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// BookTx books the charges of a node in the transaction that advances the node's spool cursor. A charge whose request has
// one already changes nothing. Balances fall by what is new, and the node's leases by the same, though not below zero: what
// a request cost beyond its lease is its account's debt.
//
// The accounts stay locked until the transaction ends, so it should end soon. After the commit the caller tells the node's
// Leases by Booked of each charge, and of what budgets were charged, which BookTx returns by the budgets' accounts.
func (l *Ledger) BookTx(ctx context.Context, tx pgx.Tx, node id.Node, charges []Charge) (budgets map[id.Account]money.Amount, err error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return nil, err
	}
	due := make([]Charge, 0, len(charges))
	for _, c := range charges {
		if c.Amount < 0 {
			return nil, fmt.Errorf("book charge of request %s: the amount %s is negative", c.Request, c.Amount)
		}
		if c.Amount > 0 {
			due = append(due, c)
		}
	}
	if len(due) == 0 {
		return nil, nil
	}
	all := sumUp(due)
	err = l.q.LockChargedAccounts(ctx, tx, db.LockChargedAccountsParams{Ids: all.accounts, OwnerIds: all.owners, Since: all.since})
	if err != nil {
		return nil, fmt.Errorf("lock credit accounts: %w", db.Classify(err))
	}
	fresh, err := l.insertCharges(ctx, tx, due)
	if err != nil {
		return nil, fmt.Errorf("insert charges: %w", db.Classify(err))
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	if len(fresh) != len(due) {
		all = sumUp(fresh)
	}
	rows, err := l.q.LowerBalances(ctx, tx, db.LowerBalancesParams{
		AccountIds: all.accounts, Amounts: all.amounts, OwnerIds: all.owners, Days: all.days, OwnerAmounts: all.owed,
		NodeID: node, RowLimit: math.MaxInt32,
	})
	if err != nil {
		return nil, fmt.Errorf("lower balances: %w", db.Classify(err))
	}
	for _, row := range rows {
		if budgets == nil {
			budgets = make(map[id.Account]money.Amount, len(rows))
		}
		budgets[row.AccountID] = money.Amount(row.Charged)
	}
	return budgets, nil
}

// insertCharges inserts entries for charges that have none, and tells which these are.
func (l *Ledger) insertCharges(ctx context.Context, tx pgx.Tx, charges []Charge) ([]Charge, error) {
	return db.InsertNew(ctx, tx, charges, chargeRows, func(c Charge) uuid.UUID { return c.Request.UUID }, func() ([]uuid.UUID, error) {
		var which db.WhichChargesParams
		for _, c := range charges {
			which.AccountIds, which.Keys = append(which.AccountIds, c.Account.UUID), append(which.Keys, chargeKey+c.Request.UUID.String())
		}
		return l.q.WhichCharges(ctx, tx, which)
	})
}

// chargeKey begins the idempotency key of a charge; its request's identifier follows.
const chargeKey = "charge:"

var chargeColumns = []string{"id", "account_id", "kind", "amount", "reason", "idempotency_key", "request_id", "created_at"}

// chargeRows are the entries of charges.
func chargeRows(charges []Charge) *db.Rows {
	rows := db.NewRows("credit_entries", chargeColumns, 192*len(charges))
	for i := range charges {
		c := &charges[i]
		rows.Row()
		rows.UUID(id.New[id.Entry]().UUID)
		rows.UUID(c.Account.UUID)
		rows.Text(string(KindCharge))
		rows.Bigint(-int64(c.Amount))
		rows.Text(c.Reason)
		rows.Text(chargeKey, c.Request.UUID.String())
		rows.UUID(c.Request.UUID)
		rows.Time(c.At)
	}
	return rows
}

// sums are what charges come to, for each account, and for each owner of budgets and day. An account or an owner comes again where
// its sum would not fit: then Postgres refuses it.
type sums struct {
	accounts []uuid.UUID
	amounts  []int64

	owners []uuid.UUID
	days   []time.Time
	owed   []int64

	since time.Time // of the first
}

func sumUp(charges []Charge) sums {
	type due struct {
		owner uuid.UUID
		day   int64
	}
	s := sums{since: charges[0].At}
	byAccount, byOwner := map[id.Account]int{}, map[due]int{}
	for i := range charges {
		c := &charges[i]
		if c.At.Before(s.since) {
			s.since = c.At
		}
		if at, ok := byAccount[c.Account]; !ok || !add(&s.amounts[at], c.Amount) {
			byAccount[c.Account] = len(s.accounts)
			s.accounts, s.amounts = append(s.accounts, c.Account.UUID), append(s.amounts, int64(c.Amount))
		}
		day := c.At.UTC().Truncate(24 * time.Hour)
		for _, owner := range c.owners() {
			of := due{owner, day.Unix()}
			if at, ok := byOwner[of]; !ok || !add(&s.owed[at], c.Amount) {
				byOwner[of] = len(s.owners)
				s.owners, s.days, s.owed = append(s.owners, owner), append(s.days, day), append(s.owed, int64(c.Amount))
			}
		}
	}
	return s
}

// add reports whether the sum fits. Neither is negative.
func add(sum *int64, a money.Amount) bool {
	if *sum > math.MaxInt64-int64(a) {
		return false
	}
	*sum += int64(a)
	return true
}
