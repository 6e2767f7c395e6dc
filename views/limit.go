package views

import (
	"net/http"

	"aihigress/internal/id"
	"aihigress/internal/quota"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) limit(w http.ResponseWriter, r *http.Request) error {
	l, err := c.findLimit(r)
	if err != nil {
		return err
	}
	return c.renderLimit(w, r, http.StatusOK, l, limitFormOf(l))
}

func (c *console) findLimit(r *http.Request) (quota.Limit, error) {
	limitID, err := pathID[id.Limit](r, "id")
	if err != nil {
		return quota.Limit{}, err
	}
	return c.Limits.Get(r.Context(), limitID)
}

func (c *console) limitUpdate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	l, err := c.findLimit(r)
	if err != nil {
		return err
	}
	form := readLimitForm(r)
	form.Dimension = string(l.Dimension)
	in, status := form.input(ctx), http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		change := quota.LimitChange{Closed: &in.Closed, Amount: &in.Amount}
		if l.Dimension == quota.Spend {
			change.Amount, change.Spend = nil, &in.Spend
		}
		if _, err := c.Limits.Update(ctx, l.ID, change); err == nil {
			return c.done(w, r, "/limits", i18n.T(ctx, "Saved."))
		} else if p, refusedWith, ok := refused(r, err); ok {
			status = refusedWith
			form.note(p)
		} else {
			return err
		}
	}
	return c.renderLimit(w, r, status, l, form)
}

func (c *console) limitDelete(w http.ResponseWriter, r *http.Request) error {
	limitID, err := pathID[id.Limit](r, "id")
	if err != nil {
		return err
	}
	if err := c.Limits.Delete(r.Context(), limitID); err != nil {
		return err
	}
	return c.done(w, r, "/limits", i18n.T(r.Context(), "The limit is deleted."))
}

func (c *console) renderLimit(w http.ResponseWriter, r *http.Request, status int, l quota.Limit, form limitForm) error {
	standings, err := c.Limits.Standings(r.Context(), []quota.Limit{l})
	if err != nil {
		return err
	}
	v := limitView{Limit: l, Form: form}
	v.Standing, v.Known = standings[l]
	return c.render(w, r, status, limitPage(c.frame(r, ui.Limits, l.Label), v))
}

// limitView is a limit with what was used of it, where that is known.
type limitView struct {
	Limit    quota.Limit
	Standing quota.Standing
	Known    bool
	Form     limitForm
}
