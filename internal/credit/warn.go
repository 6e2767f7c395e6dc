package credit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/notify"
)

// KindExpiring is the kind of the notification that granted credit is about to expire.
const KindExpiring = "credit.expiring"

// WarnArgs is the periodic job that calls Ledger.WarnExpiries.
type WarnArgs struct{}

// Kind names the job.
func (WarnArgs) Kind() string { return "credit_warn" }

// InsertOpts lets one such job wait or run at a time.
func (WarnArgs) InsertOpts() river.InsertOpts { return upkeep() }

// farWarning and nearWarning are how long before their end lots are told of that were good for more than twice as long.
const farWarning, nearWarning = 7 * 24 * time.Hour, 24 * time.Hour

// WarnExpiries tells users of credit of theirs that is about to expire, a week and a day before the first of what expires on
// one day, in UTC, and reports of how many such days it told. What was good for no longer than twice as long is not told of so early:
// credit that is given every day for a day is no news. Of what is spent until then nothing is lost, so that it tells what is left now.
func (l *Ledger) WarnExpiries(ctx context.Context, inbox Inbox) (told int, err error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return 0, err
	}
	users := map[id.Account]id.User{}
	soon := func(after id.Account) ([]id.Account, error) {
		rows, err := l.q.ListExpiringSoon(ctx, l.pool, db.ListExpiringSoonParams{Within: interval(farWarning), After: after, RowLimit: dueBatch})
		accounts := make([]id.Account, len(rows))
		for i, row := range rows {
			accounts[i] = row.AccountID
			users[row.AccountID] = id.User{UUID: row.UserID}
		}
		return accounts, err
	}
	err = eachDue(soon, func(account id.Account) error {
		n, err := l.warn(ctx, inbox, account, users[account])
		told += n
		return err
	})
	return told, err
}

// warn tells the owner of one account.
func (l *Ledger) warn(ctx context.Context, inbox Inbox, account id.Account, user id.User) (told int, err error) {
	lots, err := l.lots(ctx, l.pool, account)
	if err != nil {
		return 0, err
	}
	var all []notify.Sent
	err = db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		for _, e := range expiries(lots, time.Now()) {
			sent, err := inbox.SendTx(ctx, tx, e.message(account, user))
			if err != nil {
				return fmt.Errorf("tell of credit that expires: %w", err)
			}
			all = append(all, sent)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, sent := range all {
		if sent.Told {
			inbox.Announce(ctx, sent)
			told++
		}
	}
	return told, nil
}

// An expiry is what expires on one day and is to be told of.
type expiry struct {
	at   time.Time // of the first of it
	near bool
	left money.Amount
}

func (e expiry) day() time.Time { return e.at.UTC().Truncate(24 * time.Hour) }

// expiries are those of lots, which come in the order in which they expire.
func expiries(lots []Lot, now time.Time) []expiry {
	var all []expiry
	for _, lot := range lots {
		e := expiry{at: lot.ExpiresAt, near: lot.ExpiresAt.Sub(now) <= nearWarning, left: lot.Left}
		var same *expiry
		if n := len(all); n > 0 && all[n-1].day().Equal(e.day()) {
			same = &all[n-1]
			e.at, e.near = same.at, same.near
		}
		warning := farWarning
		if e.near {
			warning = nearWarning
		}
		switch {
		case lot.Left == 0 || lot.due || e.at.Sub(now) > farWarning || lot.ExpiresAt.Sub(lot.CreatedAt) <= 2*warning:
		case same != nil:
			same.left = same.left.Add(lot.Left)
		default:
			all = append(all, e)
		}
	}
	return all
}

func (e expiry) message(account id.Account, user id.User) notify.Message {
	day := e.at.UTC().Format(time.DateOnly)
	m := notify.Message{
		To: notify.Audience{Users: []id.User{user}}, Kind: KindExpiring, Severity: notify.Info, Subject: user.String(),
		Title:   fmt.Sprintf("%s credits expire on %s", e.left, day),
		Text:    "What expires first is spent first. What is left of it then is taken back.",
		Details: map[string]string{"amount": e.left.String(), "day": day, "at": e.at.UTC().Format(time.RFC3339)},
		Matter:  "expiring/" + account.String() + "/" + day, State: "far",
	}
	if e.near {
		m.Severity, m.State = notify.Warning, "near"
	}
	return m
}
