package views

import (
	"net/http"

	"aihigress/internal/fault"
	"aihigress/internal/quota"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) limitNew(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return c.renderLimitNew(w, r, http.StatusOK, limitForm{
		Subject: q.Get("subject"), Of: q.Get("of"), Dimension: string(quota.Requests), Window: string(quota.Minute),
	})
}

func (c *console) limitCreate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := readLimitForm(r)
	in, status := form.input(ctx), http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		made, err := c.Limits.Create(ctx, in)
		if err == nil {
			return c.done(w, r, "/limits", i18n.T(ctx, "%s is limited now.", made.Label))
		}
		p, refusedWith, ok := refused(r, err)
		if !ok {
			return err
		}
		status = refusedWith
		form.note(p)
	}
	return c.renderLimitNew(w, r, status, form)
}

func (c *console) renderLimitNew(w http.ResponseWriter, r *http.Request, status int, form limitForm) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators limit what may be used.")
	}
	return c.render(w, r, status, limitNewPage(c.frame(r, ui.Limits, i18n.T(r.Context(), "New limit")), form))
}
