package views

import (
	"net/http"
	"strings"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type keysView struct {
	page.Page[apikey.Key]
	Owners              map[id.User]account.User // only for administrators, who see everybody's keys
	Query               string
	Revoked             bool // also shows the keys that have been revoked
	FirstPage, NextPage string
}

func (c *console) keys(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := keysView{Query: strings.TrimSpace(q.Get("q")), Revoked: q.Get("revoked") == "on"}
	filter := apikey.Filter{Query: v.Query}
	if !v.Revoked {
		active := true
		filter.Active = &active
	}
	var err error
	if v.Page, err = c.Keys.List(ctx, filter, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	if admin(r) {
		owners := make([]id.User, 0, len(v.Items))
		for _, k := range v.Items {
			owners = append(owners, k.UserID)
		}
		if v.Owners, err = c.owners(ctx, owners); err != nil {
			return err
		}
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, keysPage(c.frame(r, ui.Keys, i18n.T(ctx, "API keys")), v))
}
