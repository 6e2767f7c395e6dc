package credit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// ExpireArgs is the periodic job that calls Ledger.Expire.
type ExpireArgs struct{}

// Kind names the job.
func (ExpireArgs) Kind() string { return "credit_expire" }

// InsertOpts lets one such job wait or run at a time. The schedule brings the next, so a failed one is soon given up.
func (ExpireArgs) InsertOpts() river.InsertOpts { return upkeep() }

// Expire takes back what is left of lots that have expired by the database's clock, and reports how many entries it made.
// Each account is a transaction of its own; one that fails does not keep the others from theirs, and all failures are
// returned.
//
// What nodes have leased of an account may be spent already, so as much of its lots stays for a quarter of an hour after
// their end, from the first to expire on: what is charged meanwhile is taken from these. After that all of it is taken back
// that is available, and what nodes have leased when they give it back: a lot may expire in several entries.
func (l *Ledger) Expire(ctx context.Context) (entries int, err error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return 0, err
	}
	due := func(after id.Account) ([]id.Account, error) {
		return l.q.ListExpiriesDue(ctx, l.pool, db.ListExpiriesDueParams{After: after, RowLimit: dueBatch})
	}
	err = eachDue(due, func(account id.Account) error {
		n, err := l.expire(ctx, account)
		entries += n
		return err
	})
	return entries, err
}

// expire takes back what has expired of one account, once it is locked.
func (l *Ledger) expire(ctx context.Context, account id.Account) (entries int, err error) {
	err = db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		if err := l.q.LockCreditAccounts(ctx, tx, uuids(account)); err != nil {
			return fmt.Errorf("lock credit account: %w", db.Classify(err))
		}
		now, err := l.q.GetCreditStanding(ctx, tx, account)
		if err != nil {
			return fmt.Errorf("read credit account: %w", db.Classify(err))
		}
		lots, err := l.lots(ctx, tx, account)
		if err != nil {
			return err
		}
		for i, out := range expirable(lots, now.Balance, money.Amount(now.Reserved)) {
			if out == 0 {
				continue
			}
			if err := l.takeBack(ctx, tx, account, lots[i], out); err != nil {
				return err
			}
			lots[i].Left -= out
			lots[i].Expired += out
			entries++
		}
		return l.write(ctx, tx, lots)
	})
	if err != nil {
		return 0, err
	}
	return entries, nil
}

// lotGrace is how long what was spent before a lot's end may take to be booked, long requests included.
const lotGrace = 15 * time.Minute

// expirable is how much of each lot can be taken back: what is available, less what nodes may have spent of those that
// ended just now.
func expirable(lots []Lot, balance, leased money.Amount) []money.Amount {
	out := make([]money.Amount, len(lots))
	available, spendable := max(balance.Add(-leased), 0), leased
	for i, lot := range lots {
		if !lot.due {
			continue
		}
		if out[i] = min(lot.Left, available); !lot.overdue {
			out[i] = min(out[i], max(lot.Left-spendable, 0))
		}
		spendable = max(spendable-(lot.Left-out[i]), 0)
		available -= out[i]
	}
	return out
}

// takeBack adds the entry. Its key has what was taken back of the lot before, so that not even a mistake here could take
// the same twice.
func (l *Ledger) takeBack(ctx context.Context, tx pgx.Tx, account id.Account, lot Lot, amount money.Amount) error {
	entry, err := l.insert(ctx, tx, db.InsertCreditEntryParams{
		AccountID: account, Kind: string(KindExpiry), Amount: -amount, Reason: lot.Reason,
		IdempotencyKey: fmt.Sprintf("expiry:%s:%d", lot.Entry.UUID, lot.Expired),
	})
	if err != nil {
		return err
	}
	return l.audit.Record(ctx, tx, "credit.expiry", account.String(), map[string]any{"entry": entry.ID, "grant": lot.Entry, "amount": amount})
}

// dueBatch is how many due accounts are listed at once.
const dueBatch = 100

// eachDue does what is due for one account after another, in the order of their ids. A failure does not keep the others
// from theirs.
func eachDue(list func(after id.Account) ([]id.Account, error), do func(id.Account) error) error {
	var failures []error
	var last id.Account
	for {
		due, err := list(last)
		if err != nil {
			return errors.Join(append(failures, fmt.Errorf("list accounts that are due: %w", db.Classify(err)))...)
		}
		for _, account := range due {
			last = account
			if err := do(account); err != nil {
				failures = append(failures, fmt.Errorf("account %s: %w", account, err))
			}
		}
		if len(due) < dueBatch {
			return errors.Join(failures...)
		}
	}
}
