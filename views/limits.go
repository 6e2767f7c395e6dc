package views

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"aihigress/internal/fault"
	"aihigress/internal/page"
	"aihigress/internal/quota"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type limitsView struct {
	page.Page[quota.Limit]
	Standings           map[quota.Limit]quota.Standing // what was used, as far as that is known
	Subject, Of, Query  string                         // what the list is cut to; Of is the id of a key, user or provider
	FirstPage, NextPage string
}

func (c *console) limits(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := limitsView{Subject: q.Get("subject"), Of: q.Get("of"), Query: strings.TrimSpace(q.Get("q"))}
	f := quota.Filter{Subject: quota.Subject(v.Subject), Query: v.Query}
	if v.Of != "" {
		if f.SubjectID = f.Subject.ID(v.Of); f.SubjectID == uuid.Nil {
			return fault.New(fault.NotFound, "There is nothing at this address.")
		}
	}
	var err error
	if v.Page, err = c.Limits.List(ctx, f, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	if v.Standings, err = c.Limits.Standings(ctx, v.Items); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, limitsPage(c.frame(r, ui.Limits, i18n.T(ctx, "Limits")), v))
}

// cut reports whether the list is not all.
func (v limitsView) cut() bool { return v.Query != "" || v.Subject != "" || v.Of != "" }

// newPath is where a limit is made, of what the list is cut to.
func (v limitsView) newPath() string {
	q := url.Values{}
	of := v.Of
	if of == "" && v.Subject != "" {
		of = v.Query // a name, as from a model's page
	}
	for name, value := range map[string]string{"subject": v.Subject, "of": of} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return "/limits/new"
	}
	return "/limits/new?" + q.Encode()
}
