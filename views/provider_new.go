package views

import (
	"net/http"
	"slices"

	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// providerNew shows the presets, or with ?preset= the form that one fills in.
func (c *console) providerNew(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators create providers.")
	}
	p := c.frame(r, ui.Providers, i18n.T(ctx, "New provider"))
	presets := catalog.Presets()
	if !r.URL.Query().Has("preset") {
		return c.render(w, r, http.StatusOK, presetsPage(p, presets))
	}
	form := providerForm{Dialect: "openai", Kind: provider.KindDirect, Visibility: "public", Weight: "1", AskStreamUsage: true}
	chosen := r.URL.Query().Get("preset")
	if i := slices.IndexFunc(presets, func(p catalog.Preset) bool { return p.ID == chosen }); i >= 0 {
		form.Preset, form.Name, form.Slug = presets[i].ID, presets[i].Name, presets[i].ID
		form.Dialect, form.Kind, form.BaseURL = presets[i].Dialect, presets[i].Kind, presets[i].BaseURL
	}
	var err error
	if form.Pools, err = c.pools(r); err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, providerNewPage(p, form))
}

func (c *console) providerCreate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := readProviderForm(r)
	in := provider.CreateInput{
		Name: form.Name, Slug: form.Slug, Dialect: form.Dialect, Kind: form.Kind, BaseURL: form.BaseURL, PresetID: form.Preset,
		Paths: form.paths(r), Headers: form.headers(r), Streaming: provider.Streaming(form.Streaming),
		Visibility: provider.Visibility(form.Visibility), Weight: new(form.weight(r)),
		AskStreamUsage: &form.AskStreamUsage, AllowPrivate: form.AllowPrivate, AcceptAnyModel: form.AcceptAnyModel,
		NetworkInput: form.network(r), Factor: readFactor(ctx, form.Problems, "billingFactor", form.Factor),
	}
	if form.Secret != "" {
		in.Keys = []provider.KeyInput{{Secret: secret.NewText(form.Secret)}}
	}
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		created, err := c.Providers.Create(ctx, in)
		if err == nil {
			return c.done(w, r, watching(created.ID), i18n.T(ctx, "The provider is created. Its models are being looked up."))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	var err error
	if form.Pools, err = c.pools(r); err != nil {
		return err
	}
	return c.render(w, r, status, providerNewPage(c.frame(r, ui.Providers, i18n.T(ctx, "New provider")), form))
}
