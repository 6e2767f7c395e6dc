package views

import (
	"context"
	"net/http"
	"strings"

	"aihigress/internal/account"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/money"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type rechargeForm struct {
	Owner                       account.User
	Threshold, Target, DailyCap string
	Enabled                     bool
	Problems                    problems
}

func (c *console) rechargeForm(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators set recharge rules.")
	}
	owner, _, err := c.creditOwner(r, r.URL.Query().Get("user"))
	if err != nil {
		return err
	}
	balance, err := c.Ledger.Account(r.Context(), owner.ID)
	if err != nil {
		return err
	}
	form := rechargeForm{Owner: owner, Enabled: true}
	if rule := balance.Recharge; rule != nil {
		form.Threshold, form.Target, form.DailyCap, form.Enabled = rule.Threshold.String(), rule.Target.String(), rule.DailyCap.String(), rule.Enabled
	}
	return c.renderRecharge(w, r, http.StatusOK, form)
}

func (c *console) recharge(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	owner, _, err := c.creditOwner(r, r.PostFormValue("user"))
	if err != nil {
		return err
	}
	form := rechargeForm{
		Owner: owner, Threshold: r.PostFormValue("threshold"), Target: r.PostFormValue("target"),
		DailyCap: r.PostFormValue("dailyCap"), Enabled: r.PostFormValue("enabled") == "on", Problems: problems{},
	}
	in := credit.RuleInput{
		UserID: owner.ID, Enabled: form.Enabled,
		Threshold: readAmount(ctx, form.Problems, "threshold", form.Threshold),
		Target:    readAmount(ctx, form.Problems, "target", form.Target),
		DailyCap:  readAmount(ctx, form.Problems, "dailyCap", form.DailyCap),
	}
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		_, err := c.Ledger.SetRechargeRule(ctx, in)
		if err == nil {
			return c.done(w, r, "/credit?user="+owner.ID.String(), i18n.T(ctx, "Saved."))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.renderRecharge(w, r, status, form)
}

func (c *console) rechargeResume(w http.ResponseWriter, r *http.Request) error {
	owner, _, err := c.creditOwner(r, r.PostFormValue("user"))
	if err != nil {
		return err
	}
	if _, err := c.Ledger.ResumeRecharge(r.Context(), owner.ID); err != nil {
		return err
	}
	return c.done(w, r, "/credit?user="+owner.ID.String(), i18n.T(r.Context(), "The automatic recharge goes on."))
}

func (c *console) renderRecharge(w http.ResponseWriter, r *http.Request, status int, form rechargeForm) error {
	return c.render(w, r, status, rechargePage(c.frame(r, ui.Credit, i18n.T(r.Context(), "Recharge rule")), form))
}

// readAmount reads a number of credits and notes where it is not one.
func readAmount(ctx context.Context, p problems, field, text string) money.Amount {
	amount, err := money.ParseAmount(strings.TrimSpace(text))
	if err != nil {
		p[field] = i18n.T(ctx, "Enter a decimal number of credits, as in 12.50.")
	}
	return amount
}
