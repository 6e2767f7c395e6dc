package proxy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// A spend is what the call holds of one budget.
type spend struct {
	Hold
	owner    uuid.UUID   // of a limit; zero of a key or a user, whom the charge names anyway
	provider id.Provider // whom only what it answers is charged to; zero is whoever answers
}

// budget holds what the call may cost of all budgets that it may be charged to. The window is that in which the call began,
// as it is when the charge is booked. A provider whose budget has too little left is not asked: the call is refused for
// that where there is no other.
func (c *call) budget(ceiling money.Amount) error {
	var room [4]snapshot.Budget
	budgets := c.snapshot.Budgets(room[:0], c.key, c.target, c.event.Tags)
	for i := range budgets {
		if err := c.spend(&budgets[i], ceiling, id.Provider{}); err != nil {
			return err
		}
	}
	return c.budgetOfProviders(ceiling)
}

// budgetOfProviders holds of the budgets of all that may be asked, and leaves those out that have too little left.
func (c *call) budgetOfProviders(ceiling money.Amount) error {
	var without []id.Provider
	var refused error
	for i := range c.plan {
		p := c.plan[i].Route.Provider
		var room [2]snapshot.Budget
		budgets := p.Budgets(room[:0], c.key.UserID)
		if len(budgets) == 0 || slices.ContainsFunc(c.plan[:i], func(t routing.Target) bool { return t.Route.Provider == p }) {
			continue
		}
		for j := range budgets {
			err := c.spend(&budgets[j], ceiling, p.ID)
			if errors.Is(err, fault.Exhausted) {
				without, refused = append(without, p.ID), err
				break
			}
			if err != nil {
				return err
			}
		}
	}
	if refused == nil {
		return nil
	}
	c.plan = slices.DeleteFunc(c.plan, func(t routing.Target) bool { return slices.Contains(without, t.Route.Provider.ID) })
	if len(c.plan) == 0 {
		return refused
	}
	c.leads()
	return nil
}

// spend holds of one budget.
func (c *call) spend(b *snapshot.Budget, amount money.Amount, at id.Provider) error {
	owner := credit.Owner{ID: b.Owner, Limit: b.Limit.UUID}
	hold, err := c.p.o.Budgets.Reserve(c.ctx, owner, credit.Window(b.Window), c.event.StartedAt, amount)
	switch {
	case errors.Is(err, fault.Exhausted):
		return spent(b, c.event.StartedAt)
	case err != nil:
		return fmt.Errorf("reserve of a budget: %w", err)
	case hold != nil:
		s := spend{Hold: hold, provider: at}
		if !b.Limit.IsZero() {
			s.owner = b.Owner
		}
		c.spends = append(c.spends, s)
	}
	return nil
}

// charges reports whether the budget is charged with the call as it stands.
func (c *call) charges(s *spend) bool {
	return s.provider.IsZero() || c.event.ProviderID != nil && *c.event.ProviderID == s.provider
}

// charged are the owners of the limits whose budgets the call is charged to.
func (c *call) charged() (owners []uuid.UUID) {
	for i := range c.spends {
		if s := &c.spends[i]; s.owner != uuid.Nil && c.charges(s) {
			owners = append(owners, s.owner)
		}
	}
	return owners
}

// settleBudgets ends what the call holds of budgets.
func (c *call) settleBudgets() {
	for i := range c.spends {
		if s := &c.spends[i]; c.event.Charge != nil && c.charges(s) {
			s.Settle(*c.event.Charge)
		} else {
			s.Release()
		}
	}
}

// spent names the budget that has too little left.
func spent(b *snapshot.Budget, at time.Time) error {
	period, window := "daily", credit.Window(b.Window)
	if window == credit.Month {
		period = "monthly"
	}
	return fault.New(fault.Exhausted, "The %s budget of %s, %s credits, has too little left for this request. It begins anew at %s.",
		period, b.Whose, b.Amount, window.End(at).Format(time.RFC3339)).WithCode(credit.CodeInsufficient)
}
