package views

import (
	"net/http"
	"time"

	"aihigress/internal/account"
	"aihigress/internal/fault"
	"aihigress/internal/statement"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type monthlyView struct {
	statement.Monthly
	Owner          account.User
	Own            bool
	Previous, Next string // months; no next where it has not begun
	Made           time.Time
}

// statement is the statement of an account for a month, to print.
func (c *console) statement(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	month, err := statement.Month(r.PathValue("month"))
	if err != nil {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	owner, own, err := c.creditOwner(r, r.URL.Query().Get("user"))
	if err != nil {
		return err
	}
	v := monthlyView{Owner: owner, Own: own, Made: time.Now(), Previous: statement.MonthOf(month.From.Add(-1)).Month()}
	if month.To.Before(v.Made) {
		v.Next = statement.MonthOf(month.To).Month()
	}
	if v.Monthly, err = c.Statements.Monthly(ctx, owner.ID, month); err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, statementPage(c.frame(r, ui.Statements, i18n.T(ctx, "Statement %s", month.Month())), v))
}
