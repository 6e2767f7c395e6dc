package views

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// providerModelForm is what an administrator may change of a provider's model. An empty price is unknown, not free.
type providerModelForm struct {
	Alias, Input, CachedInput, CacheWrite, Output string
	Enabled                                       bool
	Rare                                          rareForm
	Problems                                      problems
}

func providerModelFormOf(m provider.Model) providerModelForm {
	return providerModelForm{
		Alias: m.Alias, Enabled: m.Enabled, Input: optionalPrice(m.Rate.Input), CachedInput: optionalPrice(m.Rate.CachedInput),
		CacheWrite: optionalPrice(m.Rate.CacheWrite), Output: optionalPrice(m.Rate.Output), Rare: rareFormOf(m.Rate.Rare),
	}
}

func optionalPrice(p *money.Price) string {
	if p == nil {
		return ""
	}
	return p.String()
}

func (c *console) providerModel(w http.ResponseWriter, r *http.Request) error {
	pr, m, err := c.findProviderModel(r)
	if err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, providerModelPage(c.frame(r, ui.Providers, m.UpstreamID), pr, m, providerModelFormOf(m)))
}

func (c *console) findProviderModel(r *http.Request) (provider.Provider, provider.Model, error) {
	v, err := c.providerView(r)
	if err != nil {
		return provider.Provider{}, provider.Model{}, err
	}
	modelID, err := pathID[id.ProviderModel](r, "model")
	if err != nil {
		return provider.Provider{}, provider.Model{}, err
	}
	i := slices.IndexFunc(v.Models, func(m provider.Model) bool { return m.ID == modelID })
	if i < 0 {
		return provider.Provider{}, provider.Model{}, fault.New(fault.NotFound, "There is nothing at this address.")
	}
	return v.Provider, v.Models[i], nil
}

func (c *console) providerModelUpdate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	pr, m, err := c.findProviderModel(r)
	if err != nil {
		return err
	}
	form := providerModelForm{
		Alias: strings.TrimSpace(r.PostFormValue("alias")), Enabled: r.PostFormValue("enabled") == "on",
		Input: r.PostFormValue("inputPrice"), CachedInput: r.PostFormValue("cachedInputPrice"),
		CacheWrite: r.PostFormValue("cacheWritePrice"), Output: r.PostFormValue("outputPrice"), Rare: readRareForm(r), Problems: problems{},
	}
	rate := pricing.Rate{
		Input:       readPrice(ctx, form.Problems, "inputPrice", form.Input),
		CachedInput: readPrice(ctx, form.Problems, "cachedInputPrice", form.CachedInput),
		CacheWrite:  readPrice(ctx, form.Problems, "cacheWritePrice", form.CacheWrite),
		Output:      readPrice(ctx, form.Problems, "outputPrice", form.Output),
		Rare:        form.Rare.read(ctx, form.Problems),
	}
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		_, err := c.Providers.SetModel(ctx, m.ID, provider.ModelChange{Alias: &form.Alias, Rate: &rate, Enabled: &form.Enabled})
		if err == nil {
			return c.done(w, r, "/providers/"+pr.ID.String(), i18n.T(ctx, "Saved."))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.render(w, r, status, providerModelPage(c.frame(r, ui.Providers, m.UpstreamID), pr, m, form))
}

// providerModelAdd notes a model that the provider does not list. Its price is the catalogue's, where that knows it.
func (c *console) providerModelAdd(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v, err := c.providerView(r)
	if err != nil {
		return err
	}
	m, err := c.Providers.UpsertModel(ctx, v.Provider.ID, provider.ModelInput{UpstreamID: strings.TrimSpace(r.PostFormValue("upstreamId"))})
	if err == nil {
		return redirect(w, r, "/providers/"+v.Provider.ID.String()+"/models/"+m.ID.String())
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	v.Problems = p
	return c.render(w, r, status, providerPage(c.frame(r, ui.Providers, v.Provider.Name), v))
}

func (c *console) providerModelRemove(w http.ResponseWriter, r *http.Request) error {
	pr, m, err := c.findProviderModel(r)
	if err != nil {
		return err
	}
	if err := c.Providers.RemoveModel(r.Context(), m.ID); err != nil {
		return err
	}
	return c.done(w, r, "/providers/"+pr.ID.String(), i18n.T(r.Context(), "The model is removed."))
}

// readPrice reads an optional price and notes where it is not one.
func readPrice(ctx context.Context, p problems, field, text string) *money.Price {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	price, err := money.ParsePrice(text)
	if err != nil {
		p[field] = i18n.T(ctx, "Enter a decimal number, as in 0.25, or leave it empty.")
		return nil
	}
	return &price
}
