package views

import (
	"net/http"
	"strings"

	"aihigress/internal/credit"
	"aihigress/internal/money"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// budgetsForm is a user's budgets as text; empty is none.
type budgetsForm struct {
	Day, Month string
	Problems   problems
}

func budgetsFormOf(spends []credit.Spend) budgetsForm {
	var f budgetsForm
	for _, s := range spends {
		if s.Window == credit.Day {
			f.Day = s.Amount.String()
		} else {
			f.Month = s.Amount.String()
		}
	}
	return f
}

func (c *console) userBudgets(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v, err := c.userView(r)
	if err != nil {
		return err
	}
	before := v.Budgets
	f := budgetsForm{Day: strings.TrimSpace(r.PostFormValue("day")), Month: strings.TrimSpace(r.PostFormValue("month")), Problems: problems{}}
	v.Budgets = f
	amounts := map[string]*money.Amount{}
	for field, text := range map[string]string{"day": f.Day, "month": f.Month} {
		if text != "" {
			amounts[field] = new(readAmount(ctx, f.Problems, field, text))
		}
	}
	status := http.StatusUnprocessableEntity
	if len(f.Problems) == 0 {
		for _, window := range []credit.Window{credit.Day, credit.Month} {
			if window == credit.Day && f.Day == before.Day || window == credit.Month && f.Month == before.Month {
				continue
			}
			_, err := c.Ledger.SetBudget(ctx, credit.BudgetInput{UserID: v.User.ID, Window: window, Amount: amounts[string(window)]})
			if err == nil {
				continue
			}
			p, s, ok := refused(r, err)
			if !ok {
				return err
			}
			f.Problems[string(window)], status = p.rest(), s
			break
		}
	}
	if len(f.Problems) == 0 {
		return c.done(w, r, "/users/"+v.User.ID.String(), i18n.T(ctx, "Saved."))
	}
	return c.render(w, r, status, userPage(c.frame(r, ui.Users, v.User.Email), v))
}
