package views

import (
	"context"
	"net/http"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/quota"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) limitNew(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	of, err := c.limitedName(r.Context(), quota.Subject(q.Get("subject")), q.Get("of"))
	if err != nil {
		return err
	}
	return c.renderLimitNew(w, r, http.StatusOK, limitForm{
		Subject: q.Get("subject"), Of: of, Dimension: string(quota.Requests), Window: string(quota.Minute),
	})
}

// limitedName is what people call a user or provider whose id is given. Names of keys are not unique, so their ids stay.
func (c *console) limitedName(ctx context.Context, subject quota.Subject, of string) (string, error) {
	switch subject {
	case quota.User:
		if userID, err := id.Parse[id.User](of); err == nil {
			user, err := c.Users.Get(ctx, userID)
			return user.Email, err
		}
	case quota.Provider:
		if providerID, err := id.Parse[id.Provider](of); err == nil {
			known, err := c.Providers.Get(ctx, providerID)
			return known.Slug, err
		}
	case quota.Key, quota.Role, quota.Model, quota.Tag:
	}
	return of, nil
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
