package views

import (
	"net/http"
	"strings"

	"aihigress/internal/account"
	"aihigress/internal/catalog"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type aliasesView struct {
	page.Page[catalog.Alias]
	Owners              map[id.User]account.User // only for administrators, who see everybody's aliases
	Query               string
	MayChangeShared     bool
	FirstPage, NextPage string
}

func (c *console) aliases(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := aliasesView{Query: strings.TrimSpace(q.Get("q")), MayChangeShared: admin(r)}
	var err error
	if v.Page, err = c.Aliases.List(ctx, catalog.AliasFilter{Query: v.Query}, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	if admin(r) {
		var owners []id.User
		for _, a := range v.Items {
			if a.OwnerID != nil {
				owners = append(owners, *a.OwnerID)
			}
		}
		if v.Owners, err = c.owners(ctx, owners); err != nil {
			return err
		}
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, aliasesPage(c.frame(r, ui.Models, i18n.T(ctx, "Aliases")), v))
}
