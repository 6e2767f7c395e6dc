package views

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"aihigress/internal/backlog"
	"aihigress/internal/fault"
	"aihigress/internal/page"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type jobsView struct {
	page.Page[backlog.Job]
	State, Kind         string
	Queues              []backlog.Queue
	FirstPage, NextPage string
}

func (c *console) jobs(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := jobsView{State: q.Get("state"), Kind: strings.TrimSpace(q.Get("kind"))}
	var err error
	if v.Page, err = c.Backlog.List(ctx, backlog.Filter{State: backlog.State(v.State), Kind: v.Kind}, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	if v.Queues, err = c.Backlog.Queues(ctx); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, jobsPage(c.frame(r, ui.Jobs, i18n.T(ctx, "Jobs")), v))
}

func (c *console) jobRetry(w http.ResponseWriter, r *http.Request) error {
	return c.jobChange(w, r, c.Backlog.Retry, i18n.T(r.Context(), "The job is tried again."))
}

func (c *console) jobCancel(w http.ResponseWriter, r *http.Request) error {
	return c.jobChange(w, r, c.Backlog.Cancel, i18n.T(r.Context(), "The job is cancelled."))
}

func (c *console) jobDelete(w http.ResponseWriter, r *http.Request) error {
	return c.jobChange(w, r, c.Backlog.Delete, i18n.T(r.Context(), "The job is deleted."))
}

// jobChange does something to a job, and goes back to the jobs of the state that the form came from.
func (c *console) jobChange(w http.ResponseWriter, r *http.Request, do func(context.Context, int64) error, text string) error {
	job, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	if err := do(r.Context(), job); err != nil {
		return err
	}
	return c.done(w, r, jobsPath(r.PostFormValue("state")), text)
}

func (c *console) queuePaused(w http.ResponseWriter, r *http.Request) error {
	ctx, paused := r.Context(), r.PostFormValue("paused") == "on"
	if err := c.Backlog.SetPaused(ctx, r.PathValue("name"), paused); err != nil {
		return err
	}
	text := i18n.T(ctx, "The queue goes on.")
	if paused {
		text = i18n.T(ctx, "The queue is paused.")
	}
	return c.done(w, r, "/jobs", text)
}

func jobsPath(state string) string {
	if state == "" {
		return "/jobs"
	}
	return "/jobs?" + url.Values{"state": {state}}.Encode()
}

func jobStateText(ctx context.Context, s backlog.State) string {
	switch s {
	case backlog.Pending:
		return i18n.T(ctx, "Held back")
	case backlog.Scheduled:
		return i18n.T(ctx, "Scheduled")
	case backlog.Available:
		return i18n.T(ctx, "Waiting")
	case backlog.Running:
		return i18n.T(ctx, "Running")
	case backlog.Retryable:
		return i18n.T(ctx, "Tried again later")
	case backlog.Completed:
		return i18n.T(ctx, "Done")
	case backlog.Cancelled:
		return i18n.T(ctx, "Cancelled")
	case backlog.Discarded:
		return i18n.T(ctx, "Given up")
	}
	return string(s)
}

func jobTone(s backlog.State) ui.Tone {
	switch s {
	case backlog.Completed:
		return ui.Good
	case backlog.Running, backlog.Available:
		return ui.Info
	case backlog.Retryable:
		return ui.Warn
	case backlog.Discarded:
		return ui.Bad
	}
	return ui.Neutral
}
