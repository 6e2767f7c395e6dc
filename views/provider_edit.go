package views

import (
	"net/http"

	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) providerEdit(w http.ResponseWriter, r *http.Request) error {
	providerID, err := pathID[id.Provider](r, "id")
	if err != nil {
		return err
	}
	found, err := c.Providers.Get(r.Context(), providerID)
	if err != nil {
		return err
	}
	form := providerFormOf(found)
	if form.Pools, err = c.pools(r); err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, providerEditPage(c.frame(r, ui.Providers, found.Name), found, form))
}

func (c *console) providerUpdate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	providerID, err := pathID[id.Provider](r, "id")
	if err != nil {
		return err
	}
	found, err := c.Providers.Get(ctx, providerID)
	if err != nil {
		return err
	}
	form := readProviderForm(r)
	in := providerUpdateInput(r, form)
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		_, err := c.Providers.Update(ctx, providerID, in)
		if err == nil {
			return c.done(w, r, "/providers/"+providerID.String(), i18n.T(ctx, "Saved."))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	if form.Pools, err = c.pools(r); err != nil {
		return err
	}
	return c.render(w, r, status, providerEditPage(c.frame(r, ui.Providers, found.Name), found, form))
}

// providerUpdateInput is what the form says. What it does not have stays as it is.
func providerUpdateInput(r *http.Request, f providerForm) provider.UpdateInput {
	visibility, weight := provider.Visibility(f.Visibility), f.weight(r)
	in := provider.UpdateInput{
		Name: &f.Name, Slug: &f.Slug, BaseURL: &f.BaseURL, Visibility: &visibility, Weight: &weight,
		AskStreamUsage: &f.AskStreamUsage, AllowPrivate: &f.AllowPrivate, AcceptAnyModel: &f.AcceptAnyModel,
		NetworkInput: f.network(r), Factor: readFactor(r.Context(), f.Problems, "billingFactor", f.Factor),
	}
	if r.PostForm.Has("kind") {
		in.Kind = &f.Kind
	}
	if r.PostForm.Has("streaming") {
		in.Streaming = new(provider.Streaming(f.Streaming))
	}
	if r.PostForm.Has("paths") {
		in.Paths = new(f.paths(r))
	}
	if r.PostForm.Has("headers") {
		in.Headers = new(f.headers(r))
	}
	return in
}
