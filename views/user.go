package views

import (
	"net/http"
	"strings"

	"aihigress/internal/account"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type userView struct {
	User    account.User
	Credit  credit.Account
	Spends  []credit.Spend
	Budgets budgetsForm
	Self    bool // who looks; nobody disables or demotes themselves by accident
	Form    userForm
}

func (c *console) user(w http.ResponseWriter, r *http.Request) error {
	v, err := c.userView(r)
	if err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, userPage(c.frame(r, ui.Users, v.User.Email), v))
}

func (c *console) userView(r *http.Request) (userView, error) {
	ctx := r.Context()
	userID, err := pathID[id.User](r, "id")
	if err != nil {
		return userView{}, err
	}
	user, err := c.Users.Get(ctx, userID)
	if err != nil {
		return userView{}, err
	}
	balance, err := c.Ledger.Account(ctx, userID)
	if err != nil {
		return userView{}, err
	}
	spends, err := c.Ledger.Spends(ctx, balance)
	if err != nil {
		return userView{}, err
	}
	actor, _ := authz.From(ctx)
	return userView{
		User: user, Credit: balance, Spends: spends, Budgets: budgetsFormOf(spends), Self: actor.UserID == userID,
		Form: userForm{Email: user.Email, Name: user.Name, Role: user.Role, Disabled: user.DisabledAt != nil},
	}, nil
}

func (c *console) userUpdate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v, err := c.userView(r)
	if err != nil {
		return err
	}
	v.Form.Name = strings.TrimSpace(r.PostFormValue("name"))
	in := account.UpdateInput{Name: &v.Form.Name}
	if !v.Self {
		v.Form.Role, v.Form.Disabled = authz.Role(r.PostFormValue("role")), r.PostFormValue("disabled") == "on"
		in.Role, in.Disabled = &v.Form.Role, &v.Form.Disabled
	}
	if _, err = c.Users.Update(ctx, v.User.ID, in); err == nil {
		return c.done(w, r, "/users/"+v.User.ID.String(), i18n.T(ctx, "Saved."))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	v.Form.Problems = p
	return c.render(w, r, status, userPage(c.frame(r, ui.Users, v.User.Email), v))
}
