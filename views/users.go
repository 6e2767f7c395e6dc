package views

import (
	"context"
	"net/http"
	"strings"

	"aihigress/internal/account"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type usersView struct {
	page.Page[account.User]
	Query               string
	FirstPage, NextPage string
}

func (c *console) users(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := usersView{Query: strings.TrimSpace(q.Get("q"))}
	var err error
	if v.Page, err = c.Users.List(ctx, account.Filter{Query: v.Query}, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, usersPage(c.frame(r, ui.Users, i18n.T(ctx, "Users")), v))
}

// owners finds the users behind ids, in one query.
func (c *console) owners(ctx context.Context, ids []id.User) (map[id.User]account.User, error) {
	found, err := c.Users.ByIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[id.User]account.User, len(found))
	for _, u := range found {
		byID[u.ID] = u
	}
	return byID, nil
}
