package views

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"aihigress/internal/fault"
	"aihigress/internal/reqid"
	"aihigress/internal/web"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// handler is a page's handler. What it returns as an error becomes an answer here and nowhere else.
type handler func(w http.ResponseWriter, r *http.Request) error

// handle maps the kinds of failure to answers.
func (c *console) handle(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil || errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			return // answered, or nobody is there to answer
		}
		kind := fault.KindOf(err)
		if kind == fault.Unauthenticated {
			c.toLogin(w, r)
			return
		}
		if f, ok := fault.As(err); ok && f.Retry > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.Retry.Seconds())+1))
		}
		status := statusOf(kind)
		if status == http.StatusInternalServerError {
			web.NoteError(r.Context(), err)
		}
		page := errorPage(c.frame(r, "", http.StatusText(status)), describe(r, err), reqid.From(r.Context()))
		if err := c.render(w, r, status, page); err != nil {
			web.NoteError(r.Context(), err)
			http.Error(w, http.StatusText(status), status)
		}
	})
}

func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Conflict:
		return http.StatusConflict
	case fault.Denied:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Exhausted:
		return http.StatusPaymentRequired
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Upstream:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

// failure is what an error page says.
type failure struct {
	title, text string
	internal    bool // shows the request id
}

func describe(r *http.Request, err error) failure {
	ctx := r.Context()
	f := failure{}
	switch fault.KindOf(err) {
	case fault.Denied:
		f.title, f.text = i18n.T(ctx, "You may not do this"), i18n.T(ctx, "Ask an administrator if you need it.")
	case fault.NotFound:
		f.title, f.text = i18n.T(ctx, "Nothing here"), i18n.T(ctx, "It does not exist, or is not yours to see.")
	case fault.Invalid, fault.Conflict:
		f.title = i18n.T(ctx, "That did not work")
	case fault.Exhausted:
		f.title = i18n.T(ctx, "Not enough credit")
	case fault.Limited:
		f.title, f.text = i18n.T(ctx, "Too many attempts"), i18n.T(ctx, "Wait a moment and try again.")
	case fault.Upstream:
		f.title = i18n.T(ctx, "The provider did not answer as expected")
	default:
		return failure{
			title:    i18n.T(ctx, "Something went wrong"),
			text:     i18n.T(ctx, "It has been logged. Try again; if it stays, tell an administrator the request ID."),
			internal: true,
		}
	}
	if known, ok := fault.As(err); ok && f.text == "" {
		f.text = i18n.Message(ctx, known.Message)
	}
	return f
}

// problems are what is wrong with a form: by field name, and under "" with the form as a whole.
type problems map[string]string

// refused turns the refusals that a form can show into problems and the status to answer with. ok is false for every
// other error, which the handler returns.
func refused(r *http.Request, err error) (p problems, status int, ok bool) {
	known, is := fault.As(err)
	if !is || known.Kind != fault.Invalid && known.Kind != fault.Conflict {
		return nil, 0, false
	}
	field := ""
	if len(known.Path) > 0 {
		field = known.Path[len(known.Path)-1]
		_, err := strconv.Atoi(field)
		if first := known.Path[0]; first != "rarePrices" && (err == nil || len(known.Path) > 1) { // whose fields are the form's own
			field = first
		}
	}
	return problems{field: i18n.Message(r.Context(), known.Message)}, statusOf(known.Kind), true
}

// of takes the problem of a field out, for the field that shows it.
func (p problems) of(field string) string { return p[field] }

// rest is the problem of the form as a whole, and of fields that the form does not show.
func (p problems) rest(shown ...string) string {
	for field, text := range p {
		found := false
		for _, name := range shown {
			found = found || name == field
		}
		if !found {
			return text
		}
	}
	return ""
}

// toLogin sends somebody who is not signed in to the sign-in page and back afterwards.
func (c *console) toLogin(w http.ResponseWriter, r *http.Request) {
	next := "/"
	if r.Method == http.MethodGet {
		next = r.URL.RequestURI()
	}
	login := "/login"
	if next != "/" {
		login += "?next=" + url.QueryEscape(next)
	}
	http.Redirect(w, r, login, http.StatusSeeOther)
}

// unknown answers addresses that no page has.
func (c *console) unknown(_ http.ResponseWriter, _ *http.Request) error {
	return fault.New(fault.NotFound, "There is nothing at this address.")
}

// signedOut is the frame's look for people who are not signed in.
func signedOut(p ui.Page) bool { return p.Viewer.Email == "" }
