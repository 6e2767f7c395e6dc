package views

import (
	"net/http"
	"time"

	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// preferenceAge is how long a chosen language or theme is kept.
const preferenceAge = 365 * 24 * time.Hour

// preferences keeps a chosen language or theme in a cookie, since both are wanted before anybody has signed in.
func (c *console) preferences(w http.ResponseWriter, r *http.Request) error {
	if lang, ok := i18n.Parse(r.PostFormValue("lang")); ok {
		keep(w, r, i18n.Cookie, string(lang))
	}
	if r.PostForm.Has("theme") {
		keep(w, r, ui.ThemeCookie, string(ui.ParseTheme(r.PostFormValue("theme"))))
	}
	return redirect(w, r, local(r.PostFormValue("next"), "/"))
}

func keep(w http.ResponseWriter, r *http.Request, name, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(preferenceAge.Seconds()),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}
