package credit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// A Window is the time for which a budget is, of the calendar in UTC.
type Window string

// The windows.
const (
	Day   Window = "day"
	Month Window = "month"
)

// Start is when the window began that a moment is in.
func (w Window) Start(at time.Time) time.Time {
	year, month, day := at.UTC().Date()
	if w == Month {
		day = 1
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// End is when the next one begins.
func (w Window) End(at time.Time) time.Time {
	if w == Month {
		return w.Start(at).AddDate(0, 1, 0)
	}
	return w.Start(at).AddDate(0, 0, 1)
}

// A Budget is what may be spent in a window.
type Budget struct {
	Amount money.Amount // above zero, at most MaxGrant
	Window Window
}

// Check holds a budget against its rules.
func (b Budget) Check() error {
	switch {
	case b.Window != Day && b.Window != Month:
		return fault.Field("window", "a budget is for a day or a month")
	case b.Amount <= 0 || b.Amount > MaxGrant:
		return fault.Field("amount", "a budget is above 0 and at most %s credits", MaxGrant)
	}
	return nil
}

// A Spend is a budget and what has been booked of it in the current window.
type Spend struct {
	Budget
	Spent    money.Amount
	ResetsAt time.Time
}

// A BudgetInput sets or ends a budget of a user, which all their keys share.
type BudgetInput struct {
	UserID id.User
	Window Window
	Amount *money.Amount // nil is none
}

// SetBudget sets or ends a budget of a user. It counts from the first call after it was set; what was counted of the current
// window stays when the amount changes. Only admins may.
func (l *Ledger) SetBudget(ctx context.Context, in BudgetInput) (Account, error) {
	if _, err := authz.Require(ctx, authz.BudgetWrite); err != nil {
		return Account{}, err
	}
	amount := money.Credit
	if in.Amount != nil {
		amount = *in.Amount
	}
	if err := (Budget{Amount: amount, Window: in.Window}).Check(); err != nil {
		return Account{}, err
	}
	var account Account
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		accountID, err := l.q.SetAccountBudgets(ctx, tx, db.SetAccountBudgetsParams{
			UserID: in.UserID, BudgetWindow: string(in.Window), Amount: (*int64)(in.Amount),
		})
		if err != nil {
			return fmt.Errorf("set budget: %w", db.Classify(err))
		}
		if in.Amount != nil {
			if err := ChangeBudgetTx(ctx, tx, in.UserID.UUID, Budget{Amount: amount, Window: in.Window}); err != nil {
				return err
			}
		}
		err = l.audit.Record(ctx, tx, "credit.budget", accountID.String(), map[string]any{
			"user": in.UserID, "window": in.Window, "amount": in.Amount,
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

// ChangeBudgetTx lets what is left of the current window follow a budget of a user or a key that is changed in the same
// transaction, after that. The caller has decided that the actor may.
func ChangeBudgetTx(ctx context.Context, tx pgx.Tx, owner uuid.UUID, b Budget) error {
	if _, ok := authz.From(ctx); !ok {
		return fault.New(fault.Unauthenticated, "no actor for a change of a budget")
	}
	err := db.New().ChangeBudgetSpend(ctx, tx, db.ChangeBudgetSpendParams{OwnerID: owner, BudgetWindow: string(b.Window), Amount: int64(b.Amount)})
	if err != nil {
		return fmt.Errorf("change what is left of a budget: %w", db.Classify(err))
	}
	return nil
}

// Spends is the budgets of a user's account, with what was spent of each.
func (l *Ledger) Spends(ctx context.Context, account Account) ([]Spend, error) {
	g, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return nil, err
	}
	if err := g.Owner(account.UserID); err != nil {
		return nil, err
	}
	if len(account.Budgets) == 0 {
		return nil, nil
	}
	spent, err := SpentOf(ctx, l.pool, account.UserID.UUID)
	if err != nil {
		return nil, err
	}
	spends := make([]Spend, len(account.Budgets))
	for i, b := range account.Budgets {
		spends[i] = SpendOf(b, spent[account.UserID.UUID])
	}
	return spends, nil
}

// SpentOf is what has been booked in the current windows of the budgets of users and keys. The caller has decided that the
// actor may know.
func SpentOf(ctx context.Context, tx db.DBTX, owners ...uuid.UUID) (map[uuid.UUID]map[Window]money.Amount, error) {
	if len(owners) > MaxBatch {
		return nil, fault.New(fault.Invalid, "at most %d budgets at once", MaxBatch)
	}
	rows, err := db.New().ListBudgetSpends(ctx, tx, db.ListBudgetSpendsParams{OwnerIds: owners, RowLimit: 2 * MaxBatch})
	if err != nil {
		return nil, fmt.Errorf("read what was spent of budgets: %w", db.Classify(err))
	}
	all := make(map[uuid.UUID]map[Window]money.Amount, len(rows))
	for _, row := range rows {
		if all[row.OwnerID] == nil {
			all[row.OwnerID] = make(map[Window]money.Amount, 2)
		}
		all[row.OwnerID][Window(row.BudgetWindow)] = money.Amount(row.Spent)
	}
	return all, nil
}

// SpendOf is a budget with what SpentOf found.
func SpendOf(b Budget, spent map[Window]money.Amount) Spend {
	return Spend{Budget: b, Spent: spent[b.Window], ResetsAt: b.Window.End(time.Now())}
}

// budgetsOf are the budgets of an account's row.
func budgetsOf(row db.CreditAccount) []Budget {
	var all []Budget
	if row.DailyBudget != nil {
		all = append(all, Budget{*row.DailyBudget, Day})
	}
	if row.MonthlyBudget != nil {
		all = append(all, Budget{*row.MonthlyBudget, Month})
	}
	return all
}
