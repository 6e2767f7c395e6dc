package views

import (
	"net/http"

	"aihigress/internal/auth"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/web"
)

// session loads the cookie and says who is asking: the person who signed in, or anonymous. A sign-in that has ended,
// anywhere, is anonymous from the next request on.
func (c *console) session(next http.Handler) http.Handler {
	return c.Auth.Cookies().LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, err := c.actor(r)
		if err != nil {
			if r.Context().Err() == nil { // else nobody is there to answer, and that is no failure of ours
				web.NoteError(r.Context(), err)
			}
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r.WithContext(authz.With(r.Context(), actor)))
	}))
}

func (c *console) actor(r *http.Request) (authz.Actor, error) {
	ctx, cookies := r.Context(), c.Auth.Cookies()
	ip := web.ClientIP(ctx).String()
	anonymous := authz.Actor{Kind: authz.Anonymous, IP: ip}
	sessionID, err := id.Parse[id.Session](cookies.GetString(ctx, auth.CookieSession))
	if err != nil {
		return anonymous, nil //nolint:nilerr // no session is kept: nobody has signed in
	}
	actor, err := c.Auth.SessionActor(ctx, sessionID)
	switch fault.KindOf(err) {
	case fault.Unauthenticated, fault.NotFound:
		cookies.Remove(ctx, auth.CookieSession)
		return anonymous, nil
	}
	if err != nil {
		return authz.Actor{}, err
	}
	actor.IP = ip
	return actor, nil
}

// signedIn lets only people pass, and sends the others to sign in.
func (c *console) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if actor, ok := authz.From(r.Context()); !ok || actor.Kind != authz.User {
			c.toLogin(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
