package quota

import (
	"context"

	"github.com/google/uuid"

	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/limit"
	"aihigress/internal/money"
)

// A Standing is what was used of a limit.
type Standing struct {
	Used  int64        // of requests, tokens or calls, to within a second
	Spent money.Amount // of Spend, as booked
}

// Standings tells where limits stand now, over all nodes. Those that each user has are left out, and while Redis is away all
// but those of spend. Only admins may know.
func (l *Limits) Standings(ctx context.Context, limits []Limit) (map[Limit]Standing, error) {
	if _, err := authz.Require(ctx, authz.LimitRead); err != nil {
		return nil, err
	}
	var claims []limit.Claim
	var claimed, budgets []Limit
	var owners []uuid.UUID
	for _, one := range limits {
		rate, counted := one.Rate()
		switch {
		case one.EachUser:
		case counted:
			claims, claimed = append(claims, limit.Claim{Subject: one.Of(), Limits: []limit.Limit{rate}}), append(claimed, one)
		default:
			budgets, owners = append(budgets, one), append(owners, one.ID.UUID)
		}
	}
	all := make(map[Limit]Standing, len(limits))
	if used, err := l.limiter.Look(ctx, claims); err == nil {
		for i, one := range claimed {
			all[one] = Standing{Used: used[i]}
		}
	}
	if len(budgets) == 0 {
		return all, nil
	}
	spent, err := credit.SpentOf(ctx, l.pool, owners...)
	if err != nil {
		return nil, err
	}
	for _, one := range budgets {
		all[one] = Standing{Spent: spent[one.ID.UUID][credit.Window(one.Window)]}
	}
	return all, nil
}
