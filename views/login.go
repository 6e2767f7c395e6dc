package views

import (
	"net/http"

	"aihigress/internal/auth"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/web"
	"aihigress/views/i18n"
)

type loginInput struct {
	Email, Next string
	Problem     string
}

func (c *console) loginForm(w http.ResponseWriter, r *http.Request) error {
	next := local(r.URL.Query().Get("next"), "/")
	if actor, _ := authz.From(r.Context()); actor.Kind == authz.User {
		return redirect(w, r, next)
	}
	p := c.frame(r, "", i18n.T(r.Context(), "Sign in"))
	return c.render(w, r, http.StatusOK, loginPage(p, loginInput{Next: next}))
}

func (c *console) login(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := loginInput{Email: r.PostFormValue("email"), Next: local(r.PostFormValue("next"), "/")}
	tokens, err := c.Auth.SignIn(ctx, auth.SignInInput{
		Email: form.Email, Password: r.PostFormValue("password"), UserAgent: r.UserAgent(), IP: web.ClientIP(ctx).String(),
	})
	if err != nil {
		status := http.StatusUnprocessableEntity
		switch fault.KindOf(err) {
		case fault.Unauthenticated, fault.Invalid:
			form.Problem = i18n.T(ctx, "Wrong e-mail address or password.")
		case fault.Limited:
			form.Problem = i18n.T(ctx, "Too many attempts. Wait a minute and try again.")
			status = http.StatusTooManyRequests
		default:
			return err
		}
		p := c.frame(r, "", i18n.T(ctx, "Sign in"))
		p.Path = "/login"
		return c.render(w, r, status, loginPage(p, form))
	}
	cookies := c.Auth.Cookies()
	if err := cookies.RenewToken(ctx); err != nil { // a token from before the sign-in must not be worth anything after it
		return err
	}
	cookies.Put(ctx, auth.CookieSession, tokens.Session.String())
	return redirect(w, r, form.Next)
}

// logout ends the sign-in on the server; the cookie is worthless from then on, wherever it was copied to.
func (c *console) logout(w http.ResponseWriter, r *http.Request) error {
	if err := c.Auth.SignOut(r.Context()); err != nil {
		return err
	}
	if err := c.Auth.Cookies().Destroy(r.Context()); err != nil {
		return err
	}
	return redirect(w, r, "/login")
}
