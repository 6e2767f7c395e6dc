package views

import (
	"net/http"
	"strings"

	"aihigress/internal/audit"
	"aihigress/internal/page"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type auditView struct {
	page.Page[audit.Event]
	Action              string
	FirstPage, NextPage string
}

func (c *console) audit(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := auditView{Action: strings.TrimSpace(q.Get("action"))}
	var err error
	if v.Page, err = c.Audit.List(ctx, audit.Filter{Action: v.Action}, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, auditPage(c.frame(r, ui.Audit, i18n.T(ctx, "Audit log")), v))
}
