package views

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/usage"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type requestsView struct {
	page.Page[usage.Request]
	Names               names
	Form                requestFilterForm
	Live                string // address of the stream that adds to this list; empty on older pages, which do not change
	FirstPage, NextPage string
	CSV                 string // the address of all of it as a table
}

// requestFilterForm is the filter as the address has it. What it cannot read cuts to nothing that matches.
type requestFilterForm struct {
	Model, Outcome, Key, User, RequestID string
	First, Last                          string // days of UTC
}

func readRequestFilter(r *http.Request) requestFilterForm {
	q := r.URL.Query()
	text := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return requestFilterForm{Model: text("model"), Outcome: text("outcome"), Key: text("key"), User: text("user"), RequestID: text("requestId"), First: text("from"), Last: text("to")}
}

func (f requestFilterForm) empty() bool { return f == requestFilterForm{} }

// filter is the domain's filter. An identifier that is not one is replaced by one that nothing has, and a day by a time
// in which nothing was.
func (f requestFilterForm) filter() usage.RequestFilter {
	out := usage.RequestFilter{Model: f.Model, RequestID: f.RequestID}
	if f.Outcome != "" {
		out.Outcomes = []usage.Outcome{usage.Outcome(f.Outcome)}
	}
	out.KeyID, out.UserID = readID[id.Key](f.Key), readID[id.User](f.User)
	if f.First != "" {
		out.From = dayOf(f.First, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	}
	if f.Last != "" {
		out.To = dayOf(f.Last, time.Unix(0, 0).UTC()).AddDate(0, 0, 1)
	}
	return out
}

// dayOf is the beginning of a day of UTC, or instead where it is not one.
func dayOf(text string, instead time.Time) time.Time {
	day, err := time.ParseInLocation(time.DateOnly, text, time.UTC)
	if err != nil {
		return instead
	}
	return day
}

func (c *console) requests(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := requestsView{Form: readRequestFilter(r)}
	var err error
	if v.Page, err = c.Reports.Requests(ctx, v.Form.filter(), usage.NewestFirst, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	if v.Names, err = c.namesFor(ctx, v.Items); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	if v.FirstPage == "" {
		v.Live = "/requests/live?" + q.Encode()
	}
	q.Del("after")
	v.CSV = "/requests/export.csv?" + q.Encode()
	return c.render(w, r, http.StatusOK, requestsPage(c.frame(r, ui.Requests, i18n.T(ctx, "Request log")), v))
}

// requestsLive streams a row for each request that is logged from now on.
func (c *console) requestsLive(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	follow := func(ctx context.Context) (<-chan usage.Request, error) {
		return c.Reports.Logged(ctx, readRequestFilter(r).filter())
	}
	known := names{}
	draw := func(came []usage.Request) templ.Component {
		if err := c.addNames(ctx, &known, came); err != nil {
			c.Log.WarnContext(ctx, "name live requests", "error", err)
		}
		return requestRows(came, known)
	}
	return stream(c, w, r, follow, draw)
}
