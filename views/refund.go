package views

import (
	"net/http"
	"strings"

	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/usage"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type refundForm struct {
	Request        usage.Request
	Amount, Reason string
	Problems       problems
}

func (c *console) refundForm(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators refund requests.")
	}
	req, err := c.refunded(r)
	if err != nil {
		return err
	}
	form := refundForm{Request: req}
	if req.Charge != nil {
		form.Amount = req.Charge.String()
	}
	return c.renderRefund(w, r, http.StatusOK, form)
}

// refunded is the request that the path names.
func (c *console) refunded(r *http.Request) (usage.Request, error) {
	requestID, err := pathID[id.Request](r, "id")
	if err != nil {
		return usage.Request{}, err
	}
	return c.Reports.Request(r.Context(), requestID)
}

func (c *console) refund(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	req, err := c.refunded(r)
	if err != nil {
		return err
	}
	form := refundForm{
		Request: req, Amount: strings.TrimSpace(r.PostFormValue("amount")), Reason: strings.TrimSpace(r.PostFormValue("reason")), Problems: problems{},
	}
	amount := readAmount(ctx, form.Problems, "amount", form.Amount)
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		_, _, err := c.Ledger.Refund(ctx, credit.RefundInput{RequestID: req.ID, Amount: &amount, Reason: form.Reason})
		if err == nil {
			return c.done(w, r, "/credit?user="+req.UserID.String(), i18n.T(ctx, "%s credits refunded.", ui.Credits(amount.String())))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.renderRefund(w, r, status, form)
}

func (c *console) renderRefund(w http.ResponseWriter, r *http.Request, status int, form refundForm) error {
	return c.render(w, r, status, refundPage(c.frame(r, ui.Requests, i18n.T(r.Context(), "Refund")), form))
}
