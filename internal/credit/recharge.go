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
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/notify"
)

// A Rule refills an account by itself: when the balance is below Threshold it is brought to Target, as far as DailyCap
// allows on one day of UTC.
type Rule struct {
	Threshold money.Amount
	Target    money.Amount // above Threshold
	DailyCap  money.Amount // above zero
	Enabled   bool
	Paused    *Pause    // nil where it is not
	UpdatedAt time.Time // when an admin last set or resumed it
}

// A RuleInput sets the rule of a user's account.
type RuleInput struct {
	UserID    id.User
	Threshold money.Amount
	Target    money.Amount
	DailyCap  money.Amount
	Enabled   bool
}

func (in RuleInput) validate() error {
	switch {
	case in.Threshold < 0 || in.Threshold > MaxGrant:
		return fault.Field("threshold", "threshold must be between 0 and %s credits", MaxGrant)
	case in.Target <= in.Threshold || in.Target > MaxGrant:
		return fault.Field("target", "target must be above the threshold and at most %s credits", MaxGrant)
	case in.DailyCap <= 0 || in.DailyCap > MaxGrant:
		return fault.Field("dailyCap", "dailyCap must be above 0 and at most %s credits", MaxGrant)
	}
	return nil
}

// SetRechargeRule sets, changes or switches off the recharge rule of an account. One that is paused stays so. Only admins
// may: it gives credit.
func (l *Ledger) SetRechargeRule(ctx context.Context, in RuleInput) (Account, error) {
	if _, err := authz.Require(ctx, authz.RechargeWrite); err != nil {
		return Account{}, err
	}
	if err := in.validate(); err != nil {
		return Account{}, err
	}
	var account Account
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		locked, err := l.q.LockCreditAccountOfUser(ctx, tx, in.UserID)
		if err != nil {
			return fmt.Errorf("lock credit account: %w", db.Classify(err))
		}
		err = l.q.UpsertRechargeRule(ctx, tx, db.UpsertRechargeRuleParams{
			AccountID: locked.ID, Threshold: in.Threshold, Target: in.Target, DailyCap: in.DailyCap, Enabled: in.Enabled,
		})
		if err != nil {
			return fmt.Errorf("set recharge rule: %w", db.Classify(err))
		}
		err = l.audit.Record(ctx, tx, "credit.recharge_rule", locked.ID.String(), map[string]any{
			"user": in.UserID, "threshold": in.Threshold, "target": in.Target, "dailyCap": in.DailyCap, "enabled": in.Enabled,
		})
		if err != nil {
			return err
		}
		account, err = l.account(ctx, tx, in.UserID)
		return err
	})
	if err != nil {
		return Account{}, err
	}
	return account, nil
}

func (l *Ledger) rule(ctx context.Context, tx db.DBTX, account id.Account) (*Rule, error) {
	row, err := l.q.GetRechargeRule(ctx, tx, account)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read recharge rule: %w", db.Classify(err))
	}
	return ruleOf(row), nil
}

// RechargeArgs is the periodic job that calls Ledger.Recharge.
type RechargeArgs struct{}

// Kind names the job.
func (RechargeArgs) Kind() string { return "credit_recharge" }

// InsertOpts lets one such job wait or run at a time. The schedule brings the next, so a failed one is soon given up.
func (RechargeArgs) InsertOpts() river.InsertOpts { return upkeep() }

// Recharge refills every account whose rule is due and reports how many it refilled. Each is a transaction of its own;
// one that fails does not keep the others from theirs, and all failures are returned.
//
// A rule that is due again after six recharges within an hour, or with its daily cap used up on the third day in a row, is
// paused instead, and its owner and all admins are told.
func (l *Ledger) Recharge(ctx context.Context, inbox Inbox) (refilled int, err error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return 0, err
	}
	due := func(after id.Account) ([]id.Account, error) {
		return l.q.ListRechargesDue(ctx, l.pool, db.ListRechargesDueParams{After: after, RowLimit: dueBatch})
	}
	err = eachDue(due, func(account id.Account) error {
		done, err := l.recharge(ctx, inbox, account)
		if done {
			refilled++
		}
		return err
	})
	return refilled, err
}

// recharge refills one account, or pauses its rule, if that is still due once the account is locked: two jobs that saw it
// due refill it once.
func (l *Ledger) recharge(ctx context.Context, inbox Inbox, account id.Account) (done bool, err error) {
	var told []notify.Sent
	err = db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		if err := l.q.LockCreditAccounts(ctx, tx, uuids(account)); err != nil {
			return fmt.Errorf("lock credit account: %w", db.Classify(err))
		}
		now, err := l.q.GetRecharge(ctx, tx, account)
		if err != nil {
			return fmt.Errorf("read recharge rule: %w", db.Classify(err))
		}
		rule := now.RechargeRule
		if !rule.Enabled || rule.PausedAt != nil || now.Balance >= rule.Threshold {
			return nil
		}
		if reason := abused(now); reason != "" {
			sent, err := l.pause(ctx, tx, inbox, account, reason)
			told = append(told, sent)
			return err
		}
		amount := min(rule.Target.Add(-now.Balance), rule.DailyCap.Add(-money.Amount(now.Recharged)))
		if amount <= 0 {
			return nil
		}
		done = true
		return l.refill(ctx, tx, account, now, amount)
	})
	if err != nil {
		return false, err
	}
	for _, sent := range told {
		inbox.Announce(ctx, sent)
	}
	return done, nil
}

// refill adds the entry. Its key is its number on its day, so that not even a mistake here could book one recharge twice.
func (l *Ledger) refill(ctx context.Context, tx pgx.Tx, account id.Account, now db.GetRechargeRow, amount money.Amount) error {
	entry, err := l.insert(ctx, tx, db.InsertCreditEntryParams{
		AccountID:      account,
		Kind:           string(KindRecharge),
		Amount:         amount,
		Reason:         ReasonRecharge,
		IdempotencyKey: fmt.Sprintf("recharge:%s:%d", now.Day, now.Times+1),
	})
	if err != nil {
		return err
	}
	return l.audit.Record(ctx, tx, "credit.recharge", account.String(), map[string]any{"entry": entry.ID, "amount": amount})
}
