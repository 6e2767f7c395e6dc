package apikey

import (
	"context"

	"github.com/google/uuid"

	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// budget is the amount as its column has it.
func (l Limits) budget() *money.Amount {
	if l.Budget == nil {
		return nil
	}
	return &l.Budget.Amount
}

// budgetWindow is the window as its column has it.
func (l Limits) budgetWindow() string {
	if l.Budget == nil {
		return string(credit.Month)
	}
	return string(l.Budget.Window)
}

// Spends is what was spent of the budgets of keys, of those that the actor may read and that have one.
func (k *Keys) Spends(ctx context.Context, ids []id.Key) (map[id.Key]credit.Spend, error) {
	if _, err := authz.Require(ctx, authz.KeyRead); err != nil {
		return nil, err
	}
	keys, err := k.ByIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	var owners []uuid.UUID
	for _, key := range keys {
		if key.Limits.Budget != nil {
			owners = append(owners, key.ID.UUID)
		}
	}
	spends := make(map[id.Key]credit.Spend, len(owners))
	if len(owners) == 0 {
		return spends, nil
	}
	spent, err := credit.SpentOf(ctx, k.pool, owners...)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.Limits.Budget != nil {
			spends[key.ID] = credit.SpendOf(*key.Limits.Budget, spent[key.ID.UUID])
		}
	}
	return spends, nil
}
