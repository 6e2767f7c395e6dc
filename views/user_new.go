package views

import (
	"net/http"
	"strings"

	"aihigress/internal/account"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type userForm struct {
	Email, Name string
	Role        authz.Role
	Disabled    bool
	Problems    problems
}

func (c *console) userNew(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators create users.")
	}
	form := userForm{Role: authz.Member}
	return c.render(w, r, http.StatusOK, userNewPage(c.frame(r, ui.Users, i18n.T(r.Context(), "New user")), form))
}

func (c *console) userCreate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := userForm{
		Email: strings.TrimSpace(r.PostFormValue("email")), Name: strings.TrimSpace(r.PostFormValue("name")),
		Role: authz.Role(r.PostFormValue("role")),
	}
	user, err := c.Users.Create(ctx, account.CreateInput{
		Email: form.Email, Name: form.Name, Role: form.Role, Password: r.PostFormValue("password"),
	})
	if err == nil {
		return c.done(w, r, "/users/"+user.ID.String(), i18n.T(ctx, "The user can sign in now."))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	form.Problems = p
	return c.render(w, r, status, userNewPage(c.frame(r, ui.Users, i18n.T(ctx, "New user")), form))
}
