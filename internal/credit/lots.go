package credit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// MaxLots is how many lots with something left an account has at most.
	MaxLots = 1000
	// MaxValidDays is for how many days credit may be good that expires: a hundred years.
	MaxValidDays = 36_500
)

// A Lot is granted credit that expires. What an account spends, or an adjustment takes from it, is taken from the lots that
// expire first, and from what does not expire only when nothing is left of them. What a refund gives back does not expire.
type Lot struct {
	Entry     id.Entry     // that gave it
	Kind      Kind         // the entry's, as are Reason and CreatedAt
	Amount    money.Amount // that was given
	Left      money.Amount // that may still be spent, or is held by running requests
	Expired   money.Amount // that was taken back
	Reason    string
	CreatedAt time.Time
	ExpiresAt time.Time

	due     bool         // by the database's clock
	overdue bool         // lotGrace ago
	written money.Amount // Left as it is stored
}

// Lots are the lots of an account that have something left, in the order in which they expire.
func (l *Ledger) Lots(ctx context.Context, account Account) ([]Lot, error) {
	g, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return nil, err
	}
	if err := g.Owner(account.UserID); err != nil {
		return nil, err
	}
	all, err := l.lots(ctx, l.pool, account.ID)
	if err != nil {
		return nil, err
	}
	left := make([]Lot, 0, len(all))
	for _, lot := range all {
		if lot.Left > 0 {
			left = append(left, lot)
		}
	}
	return left, nil
}

// lots are those that something was left of when they were last written.
func (l *Ledger) lots(ctx context.Context, tx db.DBTX, account id.Account) ([]Lot, error) {
	rows, err := l.q.ListCreditLots(ctx, tx, db.ListCreditLotsParams{AccountID: account, Grace: interval(lotGrace), RowLimit: MaxLots})
	if err != nil {
		return nil, fmt.Errorf("read credit that expires: %w", db.Classify(err))
	}
	lots := make([]Lot, len(rows))
	var expiring money.Amount
	for i, row := range rows {
		stored := row.CreditLot
		lots[i] = Lot{
			Entry: stored.EntryID, Kind: Kind(row.Kind), Amount: stored.Amount, Left: stored.LeftOver, Expired: stored.Expired,
			Reason: row.Reason, CreatedAt: row.CreatedAt, ExpiresAt: stored.ExpiresAt, due: row.Due, overdue: row.Overdue, written: stored.LeftOver,
		}
		expiring = row.Expiring
	}
	spread(lots, expiring)
	return lots, nil
}

// spread takes what was spent since lots were written from those that expire first, so that what is left of all adds up
// to expiring. Lots come in the order in which they expire.
func spread(lots []Lot, expiring money.Amount) {
	spent := -expiring
	for _, lot := range lots {
		spent = spent.Add(lot.Left)
	}
	for i := range lots {
		n := max(min(spent, lots[i].Left), 0)
		lots[i].Left -= n
		spent -= n
	}
}

// write stores what is left of lots, where it is another than is stored. The caller holds the account's lock.
func (l *Ledger) write(ctx context.Context, tx pgx.Tx, lots []Lot) error {
	var set db.SetCreditLotsParams
	for _, lot := range lots {
		if lot.Left != lot.written {
			set.EntryIds = append(set.EntryIds, lot.Entry.UUID)
			set.LeftOver = append(set.LeftOver, int64(lot.Left))
			set.Expired = append(set.Expired, int64(lot.Expired))
		}
	}
	if len(set.EntryIds) == 0 {
		return nil
	}
	if err := l.q.SetCreditLots(ctx, tx, set); err != nil {
		return fmt.Errorf("write credit that expires: %w", db.Classify(err))
	}
	return nil
}

// addLot makes what an entry gave expire. The caller holds the account's lock; before is the balance that the entry was
// added to: a debt is paid first.
func (l *Ledger) addLot(ctx context.Context, tx pgx.Tx, entry Entry, before money.Amount, expires time.Time) error {
	lots, err := l.lots(ctx, tx, entry.AccountID)
	if err != nil {
		return err
	}
	if err := l.write(ctx, tx, lots); err != nil { // so that nothing spent before is taken from the new one
		return err
	}
	open := 0
	for _, lot := range lots {
		if lot.Left > 0 {
			open++
		}
	}
	if open >= MaxLots {
		return fault.New(fault.Conflict, "an account has at most %d grants that expire", MaxLots)
	}
	left := max(entry.Amount.Add(min(before, 0)), 0)
	err = l.q.InsertCreditLot(ctx, tx, db.InsertCreditLotParams{
		EntryID: entry.ID, AccountID: entry.AccountID, Amount: entry.Amount, LeftOver: left, ExpiresAt: expires,
	})
	if err != nil {
		return fmt.Errorf("insert credit that expires: %w", db.Classify(err))
	}
	if err := l.q.AddToExpiring(ctx, tx, db.AddToExpiringParams{ID: entry.AccountID, Amount: left}); err != nil {
		return fmt.Errorf("count credit that expires: %w", db.Classify(err))
	}
	return nil
}

// endOf is when what an entry gave expires; nil is never.
func (l *Ledger) endOf(ctx context.Context, tx pgx.Tx, entry id.Entry) (*time.Time, error) {
	end, err := l.q.GetCreditLotEnd(ctx, tx, entry)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read when credit expires: %w", db.Classify(err))
	}
	return &end, nil
}

// give adds an entry that gives credit, until it ends. The caller holds the account's lock, under which it read locked.
func (l *Ledger) give(ctx context.Context, tx pgx.Tx, locked db.CreditAccount, row db.InsertCreditEntryParams, ends end) (Entry, error) {
	if err := fits(locked.Balance, row.Amount); err != nil {
		return Entry{}, err
	}
	row.AccountID = locked.ID
	entry, err := l.insert(ctx, tx, row)
	if err != nil {
		return Entry{}, err
	}
	if at := ends(entry.CreatedAt); at != nil {
		err = l.addLot(ctx, tx, entry, locked.Balance, *at)
	}
	return entry, err
}

// validDays checks for how many days credit is to be good.
func validDays(days *int32) error {
	if days != nil && (*days < 1 || *days > MaxValidDays) {
		return fault.Field("validDays", "credit is good for 1 to %d days, or without end", MaxValidDays)
	}
	return nil
}

// An end is when credit expires, by when it was given; nil is never.
type end func(given time.Time) *time.Time

func endsAt(at *time.Time) end {
	return func(time.Time) *time.Time { return at }
}

func endsAfter(days *int32) end {
	return func(given time.Time) *time.Time {
		if days == nil {
			return nil
		}
		return new(given.UTC().AddDate(0, 0, int(*days)))
	}
}
