package views

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// pageSize is how many rows a list shows at a time.
const pageSize = 50

// frame is what the shell around a page needs to know.
func (c *console) frame(r *http.Request, section ui.Section, title string) ui.Page {
	p := ui.Page{
		Title:   title,
		Section: section,
		Lang:    i18n.From(r.Context()),
		Path:    r.URL.RequestURI(),
		Notice:  c.takeNotice(r),
	}
	if r.Method != http.MethodGet { // a form that came back: its address alone may not be one to come back to
		p.Path = "/" + string(section)
	}
	if cookie, err := r.Cookie(ui.ThemeCookie); err == nil {
		p.Theme = ui.ParseTheme(cookie.Value)
	}
	if actor, ok := authz.From(r.Context()); ok && actor.Kind == authz.User {
		p.Viewer = ui.Viewer{Email: actor.Name, Admin: actor.Role == authz.Admin}
		p.Unread = c.unread(r.Context())
	}
	return p
}

// admin reports whether who is asking is an administrator, to leave out what they could not do anyway. Whether they may
// is decided in the domain.
func admin(r *http.Request) bool {
	actor, _ := authz.From(r.Context())
	return actor.Role == authz.Admin
}

// render writes a whole page. It is rendered before anything is sent, so that a failure can still become an error page.
func (c *console) render(w http.ResponseWriter, r *http.Request, status int, page templ.Component) error {
	var buf bytes.Buffer
	if err := page.Render(r.Context(), &buf); err != nil {
		return fmt.Errorf("render %s: %w", r.URL.Path, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // pages hold what only this person may see, one of them a secret
	w.WriteHeader(status)
	_, _ = buf.WriteTo(w) // the reader has gone; there is nobody to tell
	return nil
}

// redirect answers an accepted form: see the result at path.
func redirect(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// done redirects to path, where text is shown once.
func (c *console) done(w http.ResponseWriter, r *http.Request, path, text string) error {
	c.putNotice(r, ui.Notice{Tone: ui.Good, Text: text})
	return redirect(w, r, path)
}

const noticeKey = "notice"

// putNotice keeps a notice for the next page that this browser opens.
func (c *console) putNotice(r *http.Request, n ui.Notice) {
	c.Auth.Cookies().Put(r.Context(), noticeKey, string(n.Tone)+"\n"+n.Text)
}

func (c *console) takeNotice(r *http.Request) *ui.Notice {
	tone, text, ok := strings.Cut(c.Auth.Cookies().PopString(r.Context(), noticeKey), "\n")
	if !ok {
		return nil
	}
	return &ui.Notice{Tone: ui.Tone(tone), Text: text}
}

// pathID reads an identifier from the path. What is not one names nothing.
func pathID[T interface {
	~struct{ uuid.UUID }
	String() string
}](r *http.Request, name string,
) (T, error) {
	v, err := id.Parse[T](r.PathValue(name))
	if err != nil {
		return v, fault.New(fault.NotFound, "There is nothing at this address.")
	}
	return v, nil
}

// nextPage is the address of the next page of the list at r, empty where there is none.
func nextPage(r *http.Request, hasNext bool, cursor string) string {
	if !hasNext {
		return ""
	}
	q := r.URL.Query()
	q.Set("after", cursor)
	return r.URL.Path + "?" + q.Encode()
}

// firstPage is the address of the first page of the list at r, empty where that is this one.
func firstPage(r *http.Request) string {
	q := r.URL.Query()
	if !q.Has("after") {
		return ""
	}
	q.Del("after")
	if len(q) == 0 {
		return r.URL.Path
	}
	return r.URL.Path + "?" + q.Encode()
}

// local returns next when it is a path of this console, and fallback for anything that would lead elsewhere.
func local(next, fallback string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n") {
		return fallback
	}
	return next
}
