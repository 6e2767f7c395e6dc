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

// KindMismatch is the kind of the notification that a balance is not the sum of its entries.
const KindMismatch = "credit.mismatch"

// VerifyArgs is the periodic job that calls Ledger.TellMismatches.
type VerifyArgs struct{}

// Kind names the job.
func (VerifyArgs) Kind() string { return "credit_verify" }

// InsertOpts lets one such job wait or run at a time.
func (VerifyArgs) InsertOpts() river.InsertOpts { return upkeep() }

// A Mismatch is an account whose balance is not the sum of its entries.
type Mismatch struct {
	Account id.Account
	Balance money.Amount
	Entries money.Amount // their sum
}

const (
	// maxMismatches is how many Verify reports at most.
	maxMismatches = 100
	// verifyBatch is how many accounts one statement compares.
	verifyBatch = 1000
)

// Verify compares every balance with the account's last closing and the entries since, and reports those that differ, at
// most 100. There should never be one. It closes each account that is right and has new entries: it keeps that they added up
// to the balance, and never reads them again. So what it costs is bounded by the accounts and their new entries.
func (l *Ledger) Verify(ctx context.Context) ([]Mismatch, error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return nil, err
	}
	var mismatches []Mismatch
	var last id.Account
	for {
		rows, err := l.q.CloseAccounts(ctx, l.pool, db.CloseAccountsParams{After: last, RowLimit: verifyBatch})
		if err != nil {
			return nil, fmt.Errorf("verify balances: %w", db.Classify(err))
		}
		for _, row := range rows {
			last = id.Account{UUID: row.ID}
			if row.Balance != row.Total && len(mismatches) < maxMismatches {
				mismatches = append(mismatches, Mismatch{Account: last, Balance: money.Amount(row.Balance), Entries: money.Amount(row.Total)})
			}
		}
		if len(rows) < verifyBatch {
			return mismatches, nil
		}
	}
}

// tellAgain is how often admins are told of a difference that stays.
const tellAgain = 24 * time.Hour

// TellMismatches compares every balance with its entries, as Verify does, tells all admins of each that differs, and
// reports how many do. It changes nothing of them: which of the two is right only a person can find out.
func (l *Ledger) TellMismatches(ctx context.Context, inbox Inbox) (differ int, err error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return 0, err
	}
	found, err := l.Verify(ctx)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	var sent []notify.Sent
	err = db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		for _, m := range found {
			s, err := inbox.SendTx(ctx, tx, mismatch(m))
			if err != nil {
				return fmt.Errorf("tell of a balance: %w", err)
			}
			sent = append(sent, s)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, s := range sent {
		inbox.Announce(ctx, s)
	}
	return len(found), nil
}

func mismatch(m Mismatch) notify.Message {
	return notify.Message{
		To: notify.Audience{Admins: true}, Kind: KindMismatch, Severity: notify.Error, Subject: m.Account.String(),
		Title:   fmt.Sprintf("The balance of %s is not the sum of its entries", m.Account),
		Text:    fmt.Sprintf("The balance is %s credits, its entries add up to %s. Nothing was changed.", m.Balance, m.Entries),
		Details: map[string]string{"account": m.Account.String(), "balance": m.Balance.String(), "entries": m.Entries.String()},
		Matter:  "balance/" + m.Account.String(), State: m.Balance.Add(-m.Entries).String(), Repeat: tellAgain,
	}
}
