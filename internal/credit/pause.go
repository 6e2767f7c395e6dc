package credit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/notify"
)

// KindPaused is the kind of the notification that a recharge rule was paused.
const KindPaused = "recharge.paused"

// A PauseReason says why a recharge rule was paused.
type PauseReason string

// The reasons.
const (
	PausePace PauseReason = "pace" // it was due again after maxPerHour recharges within an hour
	PauseCap  PauseReason = "cap"  // it was due again with its daily cap used up, as on the days before: maxFullDays in a row
)

const (
	maxPerHour  = 6
	maxFullDays = 3
)

// A Pause is that of a recharge rule, which recharges nothing until an admin resumes it.
type Pause struct {
	At     time.Time
	Reason PauseReason
}

// ruleOf is the rule of a row.
func ruleOf(row db.RechargeRule) *Rule {
	rule := &Rule{Threshold: row.Threshold, Target: row.Target, DailyCap: row.DailyCap, Enabled: row.Enabled, UpdatedAt: row.UpdatedAt}
	if row.PausedAt != nil && row.PauseReason != nil {
		rule.Paused = &Pause{At: *row.PausedAt, Reason: PauseReason(*row.PauseReason)}
	}
	return rule
}

// abused is why a rule that is due must be paused; "" is not at all.
func abused(now db.GetRechargeRow) PauseReason {
	switch {
	case now.Lately >= maxPerHour:
		return PausePace
	case now.Recharged >= int64(now.RechargeRule.DailyCap) && now.FullDays >= maxFullDays:
		return PauseCap
	}
	return ""
}

// pause pauses a rule and tells its owner and all admins. The caller holds the account's lock, and announces what was sent.
func (l *Ledger) pause(ctx context.Context, tx pgx.Tx, inbox Inbox, account id.Account, reason PauseReason) (notify.Sent, error) {
	owner, err := l.q.GetCreditAccountOwner(ctx, tx, account)
	if err != nil {
		return notify.Sent{}, fmt.Errorf("read credit account: %w", db.Classify(err))
	}
	err = l.q.PauseRecharge(ctx, tx, db.PauseRechargeParams{AccountID: account, PauseReason: new(string(reason))})
	if err != nil {
		return notify.Sent{}, fmt.Errorf("pause recharge rule: %w", db.Classify(err))
	}
	err = l.audit.Record(ctx, tx, "credit.recharge_pause", account.String(), map[string]any{"user": owner, "reason": reason})
	if err != nil {
		return notify.Sent{}, err
	}
	text := fmt.Sprintf("It recharged %d times within an hour.", maxPerHour)
	if reason == PauseCap {
		text = fmt.Sprintf("It used up its daily cap on %d days in a row.", maxFullDays)
	}
	sent, err := inbox.SendTx(ctx, tx, notify.Message{
		To: notify.Audience{Admins: true, Users: []id.User{owner}}, Kind: KindPaused, Severity: notify.Warning, Subject: owner.String(),
		Title:   "An automatic recharge is paused",
		Text:    text + " An admin can resume it.",
		Details: map[string]string{"account": account.String(), "user": owner.String(), "reason": string(reason)},
	})
	if err != nil {
		return notify.Sent{}, fmt.Errorf("tell of a paused recharge rule: %w", err)
	}
	return sent, nil
}

// ResumeRecharge lets a paused rule recharge again. What it did before does not count towards its next pause, but still
// towards its daily cap. A rule that is not paused, or none, stays as it is. Only admins may.
func (l *Ledger) ResumeRecharge(ctx context.Context, user id.User) (Account, error) {
	if _, err := authz.Require(ctx, authz.RechargeWrite); err != nil {
		return Account{}, err
	}
	var account Account
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		locked, err := l.q.LockCreditAccountOfUser(ctx, tx, user)
		if err != nil {
			return fmt.Errorf("lock credit account: %w", db.Classify(err))
		}
		n, err := l.q.ResumeRecharge(ctx, tx, locked.ID)
		if err != nil {
			return fmt.Errorf("resume recharge rule: %w", db.Classify(err))
		}
		if n > 0 {
			if err := l.audit.Record(ctx, tx, "credit.recharge_resume", locked.ID.String(), map[string]any{"user": user}); err != nil {
				return err
			}
		}
		account, err = l.account(ctx, tx, user)
		return err
	})
	if err != nil {
		return Account{}, err
	}
	return account, nil
}
