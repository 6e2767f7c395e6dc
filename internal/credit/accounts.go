package credit

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// MaxBatch is how many accounts Accounts gives at once.
const MaxBatch = 1000

// Accounts is the accounts of several users, those that the actor may read, in no particular order, by two queries.
func (l *Ledger) Accounts(ctx context.Context, users []id.User) ([]Account, error) {
	g, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return nil, err
	}
	if len(users) > MaxBatch {
		return nil, fault.New(fault.Invalid, "at most %d accounts at once", MaxBatch)
	}
	var owners []uuid.UUID
	for _, user := range users {
		if g.Owner(user) == nil {
			owners = append(owners, user.UUID)
		}
	}
	rows, err := l.q.ListCreditAccountsByUsers(ctx, l.pool, db.ListCreditAccountsByUsersParams{UserIds: owners, RowLimit: MaxBatch})
	if err != nil {
		return nil, fmt.Errorf("read credit accounts: %w", db.Classify(err))
	}
	accounts, ids := make([]Account, len(rows)), make([]uuid.UUID, len(rows))
	for i, row := range rows {
		a := row.CreditAccount
		accounts[i] = Account{ID: a.ID, UserID: a.UserID, Balance: a.Balance, Reserved: money.Amount(row.Reserved), Budgets: budgetsOf(a)}
		ids[i] = a.ID.UUID
	}
	rules, err := l.q.ListRechargeRules(ctx, l.pool, db.ListRechargeRulesParams{AccountIds: ids, RowLimit: MaxBatch})
	if err != nil {
		return nil, fmt.Errorf("read recharge rules: %w", db.Classify(err))
	}
	byAccount := make(map[id.Account]*Rule, len(rules))
	for _, r := range rules {
		byAccount[r.AccountID] = ruleOf(r)
	}
	for i := range accounts {
		accounts[i].Recharge = byAccount[accounts[i].ID]
	}
	return accounts, nil
}

// AccountByID is one account. Another's is not found, unless the actor may read all.
func (l *Ledger) AccountByID(ctx context.Context, account id.Account) (Account, error) {
	g, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return Account{}, err
	}
	owner, err := l.q.GetCreditAccountOwner(ctx, l.pool, account)
	if err != nil {
		return Account{}, fmt.Errorf("read credit account: %w", db.Classify(err))
	}
	if err := g.Owner(owner); err != nil {
		return Account{}, err
	}
	return l.account(ctx, l.pool, owner)
}
