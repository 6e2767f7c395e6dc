package quota

import (
	"context"

	"github.com/google/uuid"

	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/internal/limit"
)

// A Standing is what was used of a limit.
type Standing struct {
	Used int64 // of spend nano-credits, as booked; of the rest to within a second
	Left int64 // zero where more was used than there is
}

// Standings tells where limits stand now, over all nodes. Those that each user has are left out, and while Redis is away all
// but those of spend. Only admins may know.
func (l *Limits) Standings(ctx context.Context, limits []Limit) (map[id.Limit]Standing, error) {
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
	all := make(map[id.Limit]Standing, len(limits))
	if used, err := l.limiter.Look(ctx, claims); err == nil {
		for i, one := range claimed {
			all[one.ID] = Standing{Used: used[i], Left: max(one.Amount-used[i], 0)}
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
		used := int64(spent[one.ID.UUID][credit.Window(one.Window)])
		all[one.ID] = Standing{Used: used, Left: max(one.Amount-used, 0)}
	}
	return all, nil
}
