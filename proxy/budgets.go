package proxy

import (
	"errors"
	"fmt"
	"time"

	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/money"
	"aihigress/internal/snapshot"
)

// budget holds what the call may cost of the budgets of its key and user. The window is that in which the call began, as
// it is when the charge is booked.
func (c *call) budget(ceiling money.Amount) error {
	for i := range c.key.Budgets {
		b := &c.key.Budgets[i]
		hold, err := c.p.o.Budgets.Reserve(c.ctx, b.Owner, credit.Window(b.Window), c.event.StartedAt, ceiling)
		switch {
		case errors.Is(err, fault.Exhausted):
			return spent(b, c.event.StartedAt)
		case err != nil:
			return fmt.Errorf("reserve of a budget: %w", err)
		case hold != nil:
			c.spends = append(c.spends, hold)
		}
	}
	return nil
}

// spent names the budget that has too little left.
func spent(b *snapshot.Budget, at time.Time) error {
	whose, period := "key", "daily"
	if b.OfUser {
		whose = "user"
	}
	window := credit.Window(b.Window)
	if window == credit.Month {
		period = "monthly"
	}
	return fault.New(fault.Exhausted, "The %s budget of this %s, %s credits, has too little left for this request. It begins anew at %s.",
		period, whose, b.Amount, window.End(at).Format(time.RFC3339)).WithCode(credit.CodeInsufficient)
}
