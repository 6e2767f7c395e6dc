package views

import (
	"net/http"
	"strings"

	"github.com/google/uuid"

	"aihigress/internal/account"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type grantForm struct {
	Owner          account.User
	Adjust         bool // an adjustment, which may take credit away
	Amount, Reason string
	ExpiresOn      string // at the end of that day, in UTC
	Token          string // makes a form that is sent twice one grant
	Problems       problems
}

func (c *console) grantForm(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators grant credit.")
	}
	owner, _, err := c.creditOwner(r, r.URL.Query().Get("user"))
	if err != nil {
		return err
	}
	return c.renderGrant(w, r, http.StatusOK, grantForm{Owner: owner, Adjust: adjusts(r), Token: uuid.NewString()})
}

func (c *console) grant(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	owner, own, err := c.creditOwner(r, r.PostFormValue("user"))
	if err != nil {
		return err
	}
	form := grantForm{
		Owner: owner, Adjust: adjusts(r), Amount: strings.TrimSpace(r.PostFormValue("amount")), Reason: strings.TrimSpace(r.PostFormValue("reason")),
		ExpiresOn: r.PostFormValue("expiresAt"), Token: r.PostFormValue("token"), Problems: problems{},
	}
	expires := readDay(ctx, form.Problems, "expiresAt", form.ExpiresOn)
	amount := readAmount(ctx, form.Problems, "amount", form.Amount)
	if len(form.Problems) > 0 {
		return c.renderGrant(w, r, http.StatusUnprocessableEntity, form)
	}
	kind := credit.KindGrant
	if form.Adjust {
		kind, expires = credit.KindAdjustment, nil
	}
	_, _, err = c.Ledger.Grant(ctx, credit.GrantInput{
		UserID: owner.ID, Kind: kind, Amount: amount, Reason: form.Reason, IdempotencyKey: "console:" + form.Token, ExpiresAt: expires,
	})
	if err != nil {
		p, status, ok := refused(r, err)
		if !ok {
			return err
		}
		form.Problems = p
		return c.renderGrant(w, r, status, form)
	}
	back := "/credit"
	if !own {
		back += "?user=" + owner.ID.String()
	}
	if form.Adjust {
		return c.done(w, r, back, i18n.T(ctx, "The balance of %s was adjusted by %s credits.", owner.Email, ui.Credits(amount.String())))
	}
	return c.done(w, r, back, i18n.T(ctx, "%s credits granted to %s.", ui.Credits(amount.String()), owner.Email))
}

// adjusts reports whether the form is the one for adjustments: the two differ in no more than that.
func adjusts(r *http.Request) bool { return r.URL.Path == "/credit/adjust" }

func (c *console) renderGrant(w http.ResponseWriter, r *http.Request, status int, form grantForm) error {
	title := i18n.T(r.Context(), "Grant credit")
	if form.Adjust {
		title = i18n.T(r.Context(), "Adjust balance")
	}
	return c.render(w, r, status, grantPage(c.frame(r, ui.Credit, title), form))
}
