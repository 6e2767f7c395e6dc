package views

import (
	"net/http"

	"aihigress/internal/catalog"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) aliasNew(w http.ResponseWriter, r *http.Request) error {
	return c.renderAliasNew(w, r, http.StatusOK, aliasForm{})
}

func (c *console) aliasCreate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := readAliasForm(r)
	made, err := c.Aliases.Create(ctx, catalog.AliasInput{Pattern: form.Pattern, Target: form.Target, Shared: form.Shared})
	if err == nil {
		return c.done(w, r, "/aliases", i18n.T(ctx, "Callers can use %s now.", made.Pattern))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	form.Problems = p
	return c.renderAliasNew(w, r, status, form)
}

func (c *console) renderAliasNew(w http.ResponseWriter, r *http.Request, status int, form aliasForm) error {
	return c.render(w, r, status, aliasNewPage(c.frame(r, ui.Models, i18n.T(r.Context(), "New alias")), form, admin(r)))
}
