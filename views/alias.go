package views

import (
	"net/http"
	"strings"

	"aihigress/internal/catalog"
	"aihigress/internal/id"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// aliasForm is an alias as its form has it.
type aliasForm struct {
	Pattern, Target string
	Shared          bool
	Problems        problems
}

func readAliasForm(r *http.Request) aliasForm {
	return aliasForm{
		Pattern: strings.TrimSpace(r.PostFormValue("pattern")), Target: strings.TrimSpace(r.PostFormValue("target")),
		Shared: r.PostFormValue("shared") == "on", Problems: problems{},
	}
}

func (c *console) alias(w http.ResponseWriter, r *http.Request) error {
	a, err := c.findAlias(r)
	if err != nil {
		return err
	}
	return c.renderAlias(w, r, http.StatusOK, a, aliasForm{Pattern: a.Pattern, Target: a.Target})
}

func (c *console) findAlias(r *http.Request) (catalog.Alias, error) {
	aliasID, err := pathID[id.Alias](r, "id")
	if err != nil {
		return catalog.Alias{}, err
	}
	return c.Aliases.Get(r.Context(), aliasID)
}

func (c *console) aliasUpdate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	a, err := c.findAlias(r)
	if err != nil {
		return err
	}
	form := readAliasForm(r)
	if _, err = c.Aliases.Update(ctx, a.ID, catalog.AliasChange{Pattern: &form.Pattern, Target: &form.Target}); err == nil {
		return c.done(w, r, "/aliases", i18n.T(ctx, "Saved."))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	form.Problems = p
	return c.renderAlias(w, r, status, a, form)
}

func (c *console) aliasDelete(w http.ResponseWriter, r *http.Request) error {
	aliasID, err := pathID[id.Alias](r, "id")
	if err != nil {
		return err
	}
	if err := c.Aliases.Delete(r.Context(), aliasID); err != nil {
		return err
	}
	return c.done(w, r, "/aliases", i18n.T(r.Context(), "The alias is deleted."))
}

func (c *console) renderAlias(w http.ResponseWriter, r *http.Request, status int, a catalog.Alias, form aliasForm) error {
	return c.render(w, r, status, aliasPage(c.frame(r, ui.Models, a.Pattern), a, form, a.OwnerID != nil || admin(r)))
}
