package views

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/a-h/templ"

	"aihigress/internal/money"
	"aihigress/internal/page"
	"aihigress/internal/usage"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// span is a length of time that the dashboard can show.
type span struct {
	Name         string // in the address
	Length, Step time.Duration
	Live         bool // a point a second from the stream, instead of what is booked
}

var spans = []span{
	{Name: "live", Length: 3 * time.Minute, Step: time.Second, Live: true},
	{Name: "hour", Length: time.Hour, Step: time.Minute},
	{Name: "day", Length: 24 * time.Hour, Step: 15 * time.Minute},
	{Name: "week", Length: 7 * 24 * time.Hour, Step: time.Hour},
}

// figures are one moment of the charts: a step's sums, or on the live page what happens in a second.
type figures struct {
	At                       time.Time
	Requests, Errors, Tokens float64
	Charge                   money.Amount
	Duration, FirstToken     usage.Percentiles
}

// totals are the sums of a span.
type totals struct {
	Requests, Errors, Input, Output int64
	Unpriced                        int64 // requests that are in no charge, since their price is not known
	Charge                          money.Amount
}

type dashboardView struct {
	Span    span
	Total   totals
	Points  []figures // oldest first; none on the live page, which fills up from the stream
	Welcome bool
	Admin   bool
}

func (c *console) dashboard(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v := dashboardView{Span: spans[0], Admin: admin(r)}
	if i := slices.IndexFunc(spans, func(s span) bool { return s.Name == r.URL.Query().Get("range") }); i >= 0 {
		v.Span = spans[i]
	}
	var err error
	if v.Span.Live {
		v.Welcome, err = c.nothingYet(ctx)
	} else {
		v.Total, v.Points, err = c.booked(ctx, v.Span)
	}
	if err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, dashboardPage(c.frame(r, ui.Dashboard, i18n.T(ctx, "Dashboard")), v))
}

// dashboardLive streams what the cluster is doing, about once a second.
func (c *console) dashboardLive(w http.ResponseWriter, r *http.Request) error {
	follow := func(ctx context.Context) (<-chan usage.LiveMetrics, error) {
		return c.Reports.Live(ctx, usage.MetricFilter{})
	}
	draw := func(came []usage.LiveMetrics) templ.Component { return liveEvent(came[len(came)-1]) }
	return stream(c, w, r, follow, draw)
}

// nothingYet reports whether the viewer has never seen a request, and needs to know how to make one.
func (c *console) nothingYet(ctx context.Context) (bool, error) {
	newest, err := c.Reports.Requests(ctx, usage.RequestFilter{}, usage.NewestFirst, page.Args{First: 1})
	return len(newest.Items) == 0, err
}

// booked are the points of a span that ends now, and their sums.
func (c *console) booked(ctx context.Context, s span) (totals, []figures, error) {
	now := time.Now()
	set, err := c.Reports.Metrics(ctx, usage.MetricsInput{From: now.Add(-s.Length), To: now, Step: s.Step})
	if err != nil {
		return totals{}, nil, err
	}
	var sum totals
	var points []figures
	for _, p := range set.Series[0].Points {
		in := p.Input + p.CachedInput + p.CacheWrite
		sum.Requests += p.Requests
		sum.Errors += p.Errors
		sum.Input += in
		sum.Output += p.Output
		sum.Unpriced += p.Unpriced
		sum.Charge = sum.Charge.Add(p.Charge)
		points = append(points, figures{
			At: p.At, Requests: float64(p.Requests), Errors: float64(p.Errors), Tokens: float64(in + p.Output), Charge: p.Charge,
			Duration: p.Duration, FirstToken: p.FirstToken,
		})
	}
	return sum, points, nil
}
