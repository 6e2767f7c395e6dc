package views

import (
	"net/http"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) sessions(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := authz.From(ctx)
	sessions, err := c.Auth.Sessions(ctx, actor.UserID)
	if err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, sessionsPage(c.frame(r, ui.Sessions, i18n.T(ctx, "Devices")), sessions))
}

func (c *console) sessionRevoke(w http.ResponseWriter, r *http.Request) error {
	sessionID, err := pathID[id.Session](r, "id")
	if err != nil {
		return err
	}
	if err := c.Auth.Revoke(r.Context(), sessionID); err != nil {
		return err
	}
	return c.done(w, r, "/sessions", i18n.T(r.Context(), "That device is signed out."))
}

func (c *console) passwordForm(w http.ResponseWriter, r *http.Request) error {
	return c.render(w, r, http.StatusOK, passwordPage(c.frame(r, ui.Sessions, i18n.T(r.Context(), "Change password")), nil))
}

func (c *console) password(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	err := c.Auth.ChangePassword(ctx, r.PostFormValue("currentPassword"), r.PostFormValue("newPassword"))
	if err == nil {
		return c.done(w, r, "/sessions", i18n.T(ctx, "Your password is changed. All other devices are signed out."))
	}
	p, status, ok := refused(r, err)
	if fault.KindOf(err) == fault.Unauthenticated { // the old password was wrong; the sign-in itself is fine
		p, status, ok = problems{"currentPassword": i18n.T(ctx, "That is not your password.")}, http.StatusUnprocessableEntity, true
	}
	if !ok {
		return err
	}
	return c.render(w, r, status, passwordPage(c.frame(r, ui.Sessions, i18n.T(ctx, "Change password")), p))
}
