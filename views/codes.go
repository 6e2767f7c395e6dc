package views

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type redeemForm struct {
	Code     string
	Problems problems
}

func (c *console) redeemForm(w http.ResponseWriter, r *http.Request) error {
	return c.renderRedeem(w, r, http.StatusOK, redeemForm{})
}

func (c *console) redeem(w http.ResponseWriter, r *http.Request) error {
	form := redeemForm{Code: strings.TrimSpace(r.PostFormValue("code"))}
	entry, _, err := c.Codes.Redeem(r.Context(), form.Code)
	if err == nil {
		return c.done(w, r, "/credit", i18n.T(r.Context(), "The code gave you %s credits.", ui.Credits(entry.Amount.String())))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	form.Problems = p
	return c.renderRedeem(w, r, status, form)
}

func (c *console) renderRedeem(w http.ResponseWriter, r *http.Request, status int, form redeemForm) error {
	return c.render(w, r, status, redeemPage(c.frame(r, ui.Credit, i18n.T(r.Context(), "Redeem a code")), form))
}

// codesView is the batches and the form for another.
type codesView struct {
	Batches              []credit.Batch
	Label, Amount, Count string
	ExpiresOn            string // they expire at the end of that day, in UTC
	ValidDays            string // of the credit
	Problems             problems
}

func (c *console) codes(w http.ResponseWriter, r *http.Request) error {
	return c.renderCodes(w, r, http.StatusOK, codesView{Count: "10"})
}

func (c *console) codesCreate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators make codes.")
	}
	v := codesView{
		Label: strings.TrimSpace(r.PostFormValue("label")), Amount: r.PostFormValue("amount"), Count: strings.TrimSpace(r.PostFormValue("count")),
		ExpiresOn: r.PostFormValue("expiresAt"), ValidDays: strings.TrimSpace(r.PostFormValue("validDays")), Problems: problems{},
	}
	in := credit.BatchInput{
		Label: v.Label, Amount: readAmount(ctx, v.Problems, "amount", v.Amount), Count: int(readWhole(ctx, v.Problems, "count", v.Count)),
	}
	in.ExpiresAt = readDay(ctx, v.Problems, "expiresAt", v.ExpiresOn)
	in.ValidDays = readDays(ctx, v.Problems, v.ValidDays)
	status := http.StatusUnprocessableEntity
	if len(v.Problems) == 0 {
		batch, codes, err := c.Codes.Create(ctx, in)
		if err == nil {
			return c.render(w, r, http.StatusOK, codesMadePage(c.frame(r, ui.Credit, batch.Label), batch, codes))
		}
		var ok bool
		if v.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.renderCodes(w, r, status, v)
}

// readDays reads for how many days credit is good and notes where it is no number; nothing is nil.
func readDays(ctx context.Context, p problems, text string) *int32 {
	if text == "" {
		return nil
	}
	return new(int32(min(max(readWhole(ctx, p, "validDays", text), math.MinInt32), math.MaxInt32)))
}

// readWhole reads a whole number and notes where it is none. One that is too large for a computer is the largest there is,
// which the domain refuses with the bounds.
func readWhole(ctx context.Context, p problems, field, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		p[field] = i18n.T(ctx, "Enter a whole number.")
	}
	return n
}

func (c *console) codesRevoke(w http.ResponseWriter, r *http.Request) error {
	batch, err := pathID[id.RedeemBatch](r, "id")
	if err != nil {
		return err
	}
	if _, err := c.Codes.Revoke(r.Context(), batch); err != nil {
		return err
	}
	return c.done(w, r, "/credit/codes", i18n.T(r.Context(), "The codes are revoked."))
}

func (c *console) renderCodes(w http.ResponseWriter, r *http.Request, status int, v codesView) (err error) {
	if v.Batches, err = c.Codes.Batches(r.Context()); err != nil {
		return err
	}
	return c.render(w, r, status, codesPage(c.frame(r, ui.Credit, i18n.T(r.Context(), "Redeem codes")), v))
}
