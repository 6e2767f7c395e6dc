package statement

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/usage"
)

// A Monthly is what one account did in a month: Opening and all Ledger amounts are Closing. It is of one moment; a month
// that is over still changes where a node's spool that was away brings calls of that time.
type Monthly struct {
	Period
	AccountID id.Account
	UserID    id.User
	Opening   money.Amount
	Closing   money.Amount
	Ledger    []Movement
	Over      bool // no more calls of this month begin
	ByModel   Statement
	ByDay     Statement
}

// Monthly is the statement of a user's account. Another's is not found, unless the reader may read all.
func (s *Statements) Monthly(ctx context.Context, user id.User, month Period) (Monthly, error) {
	grant, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return Monthly{}, err
	}
	if err := grant.Owner(user); err != nil {
		return Monthly{}, err
	}
	if month.Month() == "" {
		return Monthly{}, fault.Field("month", "the period is not a month")
	}
	in := Input{Period: month, Filter: usage.MetricFilter{UserID: &user}}
	r, err := s.reader(ctx, in)
	if err != nil {
		return Monthly{}, err
	}
	out := Monthly{Period: month, UserID: user, Over: !s.now().Before(month.To)}
	err = s.read(ctx, func(tx pgx.Tx) error {
		account, err := s.q.GetStatementBalance(ctx, tx, db.GetStatementBalanceParams{UserID: user, FromTime: month.From, ToTime: month.To})
		if err != nil {
			return fmt.Errorf("read balance: %w", err)
		}
		out.AccountID = account.ID
		out.Opening = account.Balance.Add(-money.Amount(account.SinceFrom))
		out.Closing = account.Balance.Add(-money.Amount(account.SinceTo))
		if out.Ledger, err = s.movements(ctx, tx, &user, month); err != nil {
			return err
		}
		for _, part := range []struct {
			by   Dimension
			into *Statement
		}{{ByModel, &out.ByModel}, {ByDay, &out.ByDay}} {
			in.GroupBy = []Dimension{part.by}
			*part.into = Statement{Period: month, Costs: r.costs, Ledger: out.Ledger}
			if err := s.fill(ctx, tx, r, in, DefaultLines, part.into); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Monthly{}, fmt.Errorf("read monthly statement: %w", err)
	}
	return out, nil
}
