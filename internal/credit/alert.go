package credit

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/notify"
)

// KindBudget is the kind of the notification that a budget has passed a threshold.
const KindBudget = "budget.spent"

// An Inbox tells users. It is *notify.Inbox.
type Inbox interface {
	SendTx(ctx context.Context, tx pgx.Tx, m notify.Message) (notify.Sent, error)
	Announce(ctx context.Context, sent notify.Sent)
}

// AlertArgs is the periodic job that calls Ledger.AlertBudgets.
type AlertArgs struct{}

// Kind names the job.
func (AlertArgs) Kind() string { return "credit_alert" }

// InsertOpts lets one such job wait or run at a time.
func (AlertArgs) InsertOpts() river.InsertOpts { return upkeep() }

// alertBatch is how many alerts one transaction sends.
const alertBatch = 100

// AlertBudgets tells the owners of budgets that have passed 50, 80 or 100 percent, and of limits' budgets all admins, of each
// threshold once in a window and of the highest alone where several were passed at once. Of a limit that each user has nobody is
// told. A budget that has refused a request counts as spent. A changed amount
// begins anew. It reports how many it told of.
func (l *Ledger) AlertBudgets(ctx context.Context, inbox Inbox) (told int, err error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return 0, err
	}
	for {
		var sent []notify.Sent
		err := db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
			rows, err := l.q.ListBudgetAlerts(ctx, tx, alertBatch)
			if err != nil {
				return fmt.Errorf("list budget alerts: %w", db.Classify(err))
			}
			for _, row := range rows {
				s, err := inbox.SendTx(ctx, tx, alertOf(row))
				if err != nil {
					return fmt.Errorf("tell of a budget: %w", err)
				}
				if err := l.q.NoteBudgetTold(ctx, tx, db.NoteBudgetToldParams{AccountID: row.AccountID, Told: row.Threshold}); err != nil {
					return fmt.Errorf("note that a budget was told of: %w", db.Classify(err))
				}
				sent = append(sent, s)
			}
			return nil
		})
		if err != nil {
			return told, err
		}
		for _, s := range sent {
			inbox.Announce(ctx, s)
		}
		told += len(sent)
		if len(sent) < alertBatch {
			return told, nil
		}
	}
}

func alertOf(row db.ListBudgetAlertsRow) notify.Message {
	user := id.User{UUID: row.ToldUser}
	m := notify.Message{
		To: notify.Audience{Users: []id.User{user}}, Kind: KindBudget, Severity: notify.Warning,
		Subject: user.String(),
		Details: map[string]string{
			"percent": strconv.Itoa(int(row.Threshold)), "window": row.BudgetWindow, "key": row.KeyName,
			"amount": row.Amount.String(), "spent": money.Amount(row.Spent).String(),
		},
	}
	whose, period := "Your", "daily"
	switch {
	case row.LimitID != nil:
		m.To, m.Subject = notify.Audience{Admins: true}, row.LimitID.String()
		m.Details["subject"], m.Details["of"] = row.LimitSubject, row.LimitLabel
		whose = fmt.Sprintf("The %s %s's", row.LimitSubject, row.LimitLabel)
	case row.KeyName != "":
		m.Subject, whose = row.KeyID.String(), fmt.Sprintf("The key %s's", row.KeyName)
	}
	if Window(row.BudgetWindow) == Month {
		period = "monthly"
	}
	m.Title = fmt.Sprintf("%s %s budget is spent to %d %%", whose, period, row.Threshold)
	m.Text = fmt.Sprintf("%s of %s credits are spent.", money.Amount(row.Spent), row.Amount)
	switch row.Threshold {
	case 50:
		m.Severity = notify.Info
	case 100:
		m.Severity = notify.Error
		m.Title = fmt.Sprintf("%s %s budget is used up", whose, period)
		m.Text += " Requests that need more than what is left are refused until the next window."
	}
	return m
}
