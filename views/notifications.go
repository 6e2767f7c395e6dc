package views

import (
	"context"
	"net/http"

	"github.com/a-h/templ"

	"aihigress/internal/id"
	"aihigress/internal/notify"
	"aihigress/internal/page"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type notificationsView struct {
	page.Page[notify.Notification]
	Unread              bool   // only those
	Live                string // address of the stream that adds to this list; empty on older pages, which do not change
	FirstPage, NextPage string
}

func (c *console) notifications(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := notificationsView{Unread: q.Get("unread") == "on"}
	var err error
	if v.Page, err = c.Inbox.List(ctx, notify.Filter{Unread: v.Unread}, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	if v.FirstPage == "" {
		v.Live = "/notifications/live"
	}
	return c.render(w, r, http.StatusOK, notificationsPage(c.frame(r, ui.Notes, i18n.T(ctx, "Notifications")), v))
}

// notificationsLive streams a row for each notification from now on, and the bell.
func (c *console) notificationsLive(w http.ResponseWriter, r *http.Request) error {
	draw := func(came []notify.Notification) templ.Component {
		return notificationEvent(came, c.unread(r.Context()))
	}
	return stream(c, w, r, c.Inbox.Received, draw)
}

// bell is the number at the bell alone.
func (c *console) bell(w http.ResponseWriter, r *http.Request) error {
	return c.render(w, r, http.StatusOK, ui.Bell(c.unread(r.Context())))
}

// notificationsRead marks one notification as read, or all.
func (c *console) notificationsRead(w http.ResponseWriter, r *http.Request) error {
	var ids []id.Notification
	if text := r.PostFormValue("id"); text != "" {
		one, err := id.Parse[id.Notification](text)
		if err != nil {
			return redirect(w, r, "/notifications")
		}
		ids = []id.Notification{one}
	}
	if _, err := c.Inbox.MarkRead(r.Context(), ids); err != nil {
		return err
	}
	return redirect(w, r, local(r.PostFormValue("next"), "/notifications"))
}

// unread is how many notifications the viewer has not read. A page is shown without rather than not at all.
func (c *console) unread(ctx context.Context) int {
	n, err := c.Inbox.Unread(ctx)
	if err != nil && ctx.Err() == nil {
		c.Log.WarnContext(ctx, "count unread notifications", "error", err)
	}
	return n
}

// notificationPath is the page of what a notification is about; "" where there is none.
func notificationPath(n notify.Notification) string {
	switch id.Prefix(n.Subject) {
	case "prv":
		return "/providers/" + n.Subject
	case "lim":
		return "/limits/" + n.Subject
	}
	return ""
}
