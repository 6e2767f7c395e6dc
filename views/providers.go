package views

import (
	"net/http"
	"strings"

	"aihigress/internal/page"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type providersView struct {
	page.Page[provider.Provider]
	Query               string
	MayCreate           bool
	FirstPage, NextPage string
}

func (c *console) providers(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := providersView{Query: strings.TrimSpace(q.Get("q")), MayCreate: admin(r)}
	var err error
	if v.Page, err = c.Providers.List(ctx, provider.Filter{Query: v.Query}, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, providersPage(c.frame(r, ui.Providers, i18n.T(ctx, "Providers")), v))
}
