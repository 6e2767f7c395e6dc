package ui_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/a-h/templ"

	"aihigress/views/assets"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// inner renders components one after another, as the children of another one.
func inner(parts ...templ.Component) templ.Component { return templ.Join(parts...) }

func text(s string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, templ.EscapeString(s))
		return err
	})
}

// with gives a component its children.
func with(c templ.Component, children ...templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return c.Render(templ.WithChildren(ctx, inner(children...)), w)
	})
}

var moment = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func wave(n int, lines int) []ui.Point {
	points := make([]ui.Point, n)
	for i := range points {
		values := make([]float64, lines)
		for l := range values {
			values[l] = 60 + 40*math.Sin(float64(i)/9+float64(l)) + float64(l*35)
		}
		points[i] = ui.Point{At: moment.Add(time.Duration(i) * time.Minute), Values: values}
	}
	return points
}

// gallery is one page with every component in every state, to render in tests and to look at.
func gallery(p ui.Page) templ.Component {
	columns := []ui.Column{{Label: "Name"}, {Label: "Status"}, {Label: "Last used"}, {Label: "Requests", Class: "num"}, {Label: "Actions", Class: "end"}}
	row := func(name string, tone ui.Tone, state string, used time.Time, count int64) templ.Component {
		return with(ui.Row(),
			with(ui.Cell(""), text(name)),
			with(ui.Cell("Status"), ui.Badge(tone, state)),
			with(ui.Cell("Last used"), ui.AgoOrNever(used)),
			ui.Num("Requests", ui.Count(count)),
			with(ui.RowActions(), ui.Confirm(ui.Question{
				ID: "ask-" + name, Opener: "Revoke", Title: "Revoke this key?", Text: "Calls with it are refused within a second. This cannot be undone.",
				Action: "/keys/1/revoke", Confirm: "Revoke key", Small: true, Name: "id", Value: "1",
			})),
		)
	}
	return with(ui.Shell(p),
		ui.Back("/keys", "API keys"),
		with(ui.PageHead("Every component", "One of each, in each of its states."), text("")),
		with(ui.Tiles("tiles"),
			ui.Tile("Requests", ui.Count(1284733), "last hour"), ui.Tile("Errors", "0.4%", ""),
			ui.Tile("Time to first token", ui.Duration(412*time.Millisecond), "p50"), ui.Tile("Charge", ui.Credits("12.340500000"), "credits"),
		),
		ui.LiveMark(),
		with(ui.Alert(ui.Neutral), text("Neutral")), with(ui.Alert(ui.Good), text("Good")), with(ui.Alert(ui.Info), text("Info")),
		with(ui.Alert(ui.Warn), text("Warn")), ui.FormError("Wrong e-mail or password."),
		ui.Figure(ui.Chart{ID: "c1", Title: "Latency", Unit: ui.Millis, Series: []string{"p50", "p95", "p99"}, Points: wave(60, 3)}),
		ui.Figure(ui.Chart{ID: "c2", Title: "Requests", Unit: ui.Counts, Series: []string{"Requests"}, Points: wave(60, 1), Fill: true}),
		with(ui.Card("Keys", ui.Badge(ui.Info, "3")),
			with(ui.Table("Keys", columns),
				row("production", ui.Good, "active", moment, 120411), row("a-long-name-that-goes-on-and-on-for-the-sake-of-layout", ui.Bad, "revoked", time.Time{}, 0),
			),
			ui.Pagination("/?", "/?after=x"),
		),
		with(ui.LiveTable("live", "Live", columns), row("tail", ui.Warn, "cancelled", moment, 1)),
		with(ui.Card("Nothing", nil), ui.Empty("keys", "No API keys yet", "A key lets an application call the gateway.")),
		with(ui.Card("Broken", nil), ui.Failure("Something went wrong", "Try again in a moment.", "req_0123")),
		with(ui.Panel(), with(form{},
			ui.Input(ui.Field{Name: "name", Label: "Name", Value: "production", Hint: "Shown in lists.", Required: true, MaxLength: 80}),
			ui.Input(ui.Field{Name: "url", Label: "Base URL", Value: "nonsense", Error: "Must start with https://", Hint: "With the version segment.", Mono: true, Type: "url", Placeholder: "https://"}),
			ui.Select(ui.Field{Name: "dialect", Label: "Dialect", Value: "b", Options: []ui.Option{{Value: "a", Label: "OpenAI"}, {Value: "b", Label: "Anthropic"}}}),
			ui.TextArea(ui.Field{Name: "note", Label: "Models", Rows: 3, Mono: true}),
			ui.Checkbox(ui.Field{Name: "on", Label: "Enabled", Hint: "Takes part in routing."}, true),
			with(actions{}, ui.Submit("Create key"), ui.Cancel("/keys")),
		)),
		with(ui.Dialog("replace", "Replace", "Replace this key"), with(form{}, ui.Input(ui.Field{Name: "name", ID: "second", Label: "New key", Type: "password"}), ui.Submit("Replace key"))),
		ui.SecretOnce("secret", "Your new key", "sk-hg-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG012345"),
		ui.Code("snippet", "curl http://127.0.0.1:8080/v1/chat/completions \\\n  -H 'Authorization: Bearer sk-hg-…'"),
		with(ui.Panel(), with(ui.Facts(),
			with(ui.Fact("Created"), ui.Time(moment)), with(ui.Fact("Updated"), ui.ShortTime(moment)),
			with(ui.Fact("Status"), ui.Status(ui.Good, "Healthy")), with(ui.Fact("Never"), ui.Time(time.Time{})),
		)),
	)
}

// actions stands for a form's row of buttons.
type actions struct{}

func (actions) Render(ctx context.Context, w io.Writer) error {
	_, _ = io.WriteString(w, `<div class="actions">`)
	err := templ.GetChildren(ctx).Render(templ.ClearChildren(ctx), w)
	_, _ = io.WriteString(w, `</div>`)
	return err
}

// form stands for a page's own form element.
type form struct{}

func (form) Render(ctx context.Context, w io.Writer) error {
	_, _ = io.WriteString(w, `<form class="form">`)
	err := templ.GetChildren(ctx).Render(templ.ClearChildren(ctx), w)
	_, _ = io.WriteString(w, `</form>`)
	return err
}

func page(lang i18n.Lang, theme ui.Theme) ui.Page {
	return ui.Page{
		Title: "Gallery", Section: ui.Keys, Lang: lang, Theme: theme, Path: "/gallery",
		Viewer: ui.Viewer{Name: "Admin", Email: "admin@example.com", Admin: true},
		Notice: &ui.Notice{Tone: ui.Good, Text: "Saved."},
	}
}

// TestWriteGallery writes the gallery as files to look at in a browser, when GALLERY_DIR says where.
func TestWriteGallery(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("GALLERY_DIR")
	if dir == "" {
		t.Skip("GALLERY_DIR is not set")
	}
	for _, name := range []string{"app.css", "app.js", "icon.svg", "htmx.min.js", "hx-sse.min.js", "uplot.iife.min.js"} {
		w := httptest.NewRecorder()
		assets.Handler().ServeHTTP(w, httptest.NewRequest("GET", assets.URL(name), nil))
		file := filepath.Join(dir, assets.URL(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, w.Body.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range map[string]ui.Page{
		"en-light": page(i18n.English, ui.Light), "en-dark": page(i18n.English, ui.Dark), "zh-light": page(i18n.Chinese, ui.Light),
	} {
		f, err := os.Create(filepath.Join(dir, name+".html"))
		if err != nil {
			t.Fatal(err)
		}
		if err := gallery(p).Render(i18n.With(context.Background(), p.Lang), f); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
