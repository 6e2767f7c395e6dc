package views

import (
	"net/http"
	"strconv"
	"strings"

	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// signUpForm is what new accounts are given as text; an empty amount is nothing.
type signUpForm struct {
	Amount, ValidDays string
	Problems          problems
}

func (c *console) signUpForm(w http.ResponseWriter, r *http.Request) error {
	set, err := c.Ledger.SignUp(r.Context())
	if err != nil {
		return err
	}
	var form signUpForm
	if set != nil {
		form.Amount = set.Amount.String()
		if set.ValidDays != nil {
			form.ValidDays = strconv.Itoa(int(*set.ValidDays))
		}
	}
	return c.renderSignUp(w, r, http.StatusOK, form)
}

func (c *console) signUp(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators grant credit.")
	}
	form := signUpForm{Amount: strings.TrimSpace(r.PostFormValue("amount")), ValidDays: strings.TrimSpace(r.PostFormValue("validDays")), Problems: problems{}}
	in := credit.SignUpInput{ValidDays: readDays(ctx, form.Problems, form.ValidDays)}
	if form.Amount != "" {
		in.Amount = new(readAmount(ctx, form.Problems, "amount", form.Amount))
	}
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		_, err := c.Ledger.SetSignUp(ctx, in)
		if err == nil {
			return c.done(w, r, "/users", i18n.T(ctx, "Saved."))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.renderSignUp(w, r, status, form)
}

func (c *console) renderSignUp(w http.ResponseWriter, r *http.Request, status int, form signUpForm) error {
	return c.render(w, r, status, signUpPage(c.frame(r, ui.Users, i18n.T(r.Context(), "Sign-up credit")), form))
}
