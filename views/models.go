package views

import (
	"context"
	"net/http"
	"strings"

	"aihigress/internal/catalog"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type modelsView struct {
	page.Page[catalog.Model]
	Providers           map[id.Provider]provider.Provider // that the routes lead to, as far as they may be seen
	Query               string
	MayChange           bool
	Unpriced            int // models of providers whose price is unknown
	FirstPage, NextPage string
}

func (c *console) models(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := modelsView{Query: strings.TrimSpace(q.Get("q")), MayChange: admin(r)}
	var err error
	if v.Page, err = c.Models.List(ctx, catalog.Filter{Query: v.Query}, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	var ids []id.Provider
	for _, m := range v.Items {
		for _, route := range m.Routes {
			ids = append(ids, route.ProviderID)
		}
	}
	if v.Providers, err = c.providersByID(ctx, ids); err != nil {
		return err
	}
	if _, v.Unpriced, err = c.Providers.Unpriced(ctx); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, modelsPage(c.frame(r, ui.Models, i18n.T(ctx, "Models")), v))
}

// providersByID finds the providers behind ids, in one query.
func (c *console) providersByID(ctx context.Context, ids []id.Provider) (map[id.Provider]provider.Provider, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := c.Providers.ByIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[id.Provider]provider.Provider, len(found))
	for _, p := range found {
		byID[p.ID] = p
	}
	return byID, nil
}
