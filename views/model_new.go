package views

import (
	"net/http"

	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/pricing"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) modelNew(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators create models.")
	}
	return c.renderModelNew(w, r, http.StatusOK, modelFormOf(catalog.Model{
		Strategy: catalog.Weighted, Balance: catalog.DefaultBalance, Unsupported: catalog.Drop, RequestErrors: catalog.Return,
		RetryBudget: catalog.DefaultRetryBudget, Multiplier: pricing.One, Enabled: true,
	}))
}

func (c *console) modelCreate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := readModelForm(r)
	in := catalog.CreateInput{
		Name: form.Name, Description: form.Description, Strategy: catalog.Strategy(form.Strategy),
		Unsupported: catalog.Unsupported(form.Unsupported), RequestErrors: catalog.RequestErrors(form.RequestErrors),
		Balance: form.balance(ctx), RetryBudget: form.retries(ctx), Hedge: form.Hedge, Routes: form.routes(ctx),
		Multiplier: readFactor(ctx, form.Problems, "multiplier", form.Multiplier),
	}
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		created, err := c.Models.Create(ctx, in)
		if err == nil {
			return c.done(w, r, "/models", i18n.T(ctx, "Callers can use %s now.", created.Name))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.renderModelNew(w, r, status, form)
}

func (c *console) renderModelNew(w http.ResponseWriter, r *http.Request, status int, form modelForm) error {
	var err error
	if form.Providers, err = c.providerChoices(r.Context()); err != nil {
		return err
	}
	return c.render(w, r, status, modelNewPage(c.frame(r, ui.Models, i18n.T(r.Context(), "New model")), form.padded()))
}
