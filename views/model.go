package views

import (
	"net/http"

	"aihigress/internal/catalog"
	"aihigress/internal/id"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) model(w http.ResponseWriter, r *http.Request) error {
	m, err := c.findModel(r)
	if err != nil {
		return err
	}
	return c.renderModel(w, r, http.StatusOK, m, modelFormOf(m))
}

func (c *console) findModel(r *http.Request) (catalog.Model, error) {
	modelID, err := pathID[id.Model](r, "id")
	if err != nil {
		return catalog.Model{}, err
	}
	return c.Models.Get(r.Context(), modelID)
}

func (c *console) modelUpdate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	m, err := c.findModel(r)
	if err != nil {
		return err
	}
	form := readModelForm(r)
	strategy, routes := catalog.Strategy(form.Strategy), form.routes(ctx)
	keepRarePrices(routes, m.Routes)
	in := catalog.UpdateInput{
		Name: &form.Name, Description: &form.Description, Strategy: &strategy, Enabled: &form.Enabled, Routes: &routes,
		Balance: form.balance(ctx), RetryBudget: form.retries(ctx), Hedge: &form.Hedge,
		Multiplier: readFactor(ctx, form.Problems, "multiplier", form.Multiplier),
	}
	if r.PostForm.Has("unsupportedFields") {
		in.Unsupported = new(catalog.Unsupported(form.Unsupported))
	}
	if r.PostForm.Has("requestErrors") {
		in.RequestErrors = new(catalog.RequestErrors(form.RequestErrors))
	}
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		_, err := c.Models.Update(ctx, m.ID, in)
		if err == nil {
			return c.done(w, r, "/models/"+m.ID.String(), i18n.T(ctx, "Saved."))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.renderModel(w, r, status, m, form)
}

// keepRarePrices gives routes the rare prices that they have already: the form does not show them.
func keepRarePrices(routes []catalog.RouteInput, before []catalog.Route) {
	for i := range routes {
		for _, old := range before {
			if old.ProviderID == routes[i].ProviderID && old.UpstreamID == routes[i].UpstreamID {
				routes[i].Overrides.Rate.Rare = old.Overrides.Rate.Rare
			}
		}
	}
}

func (c *console) modelDelete(w http.ResponseWriter, r *http.Request) error {
	modelID, err := pathID[id.Model](r, "id")
	if err != nil {
		return err
	}
	if err := c.Models.Delete(r.Context(), modelID); err != nil {
		return err
	}
	return c.done(w, r, "/models", i18n.T(r.Context(), "The model is deleted."))
}

func (c *console) renderModel(w http.ResponseWriter, r *http.Request, status int, m catalog.Model, form modelForm) error {
	var err error
	if form.Providers, err = c.providerChoices(r.Context()); err != nil {
		return err
	}
	return c.render(w, r, status, modelPage(c.frame(r, ui.Models, m.Name), m, form.padded(), admin(r)))
}
