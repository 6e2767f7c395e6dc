package views

import (
	"net/http"
	"strconv"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/usage"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type requestView struct {
	Request usage.Request
	Names   names
	Lanes   []lane
	Prices  *usage.PriceVersion // nil where nothing was priced, or the reader may not see them
	Admin   bool                // also shows what the vendor charges
}

// lane is one attempt on the time line of its request. Start, First and Width are thousandths of the whole.
type lane struct {
	Attempt             usage.Attempt
	OK                  bool
	Start, First, Width string
}

func (c *console) request(w http.ResponseWriter, r *http.Request) error {
	requestID, err := pathID[id.Request](r, "id")
	if err != nil {
		return err
	}
	req, err := c.Reports.Request(r.Context(), requestID)
	if err != nil {
		return err
	}
	v := requestView{Request: req, Lanes: lanes(req), Admin: admin(r)}
	if v.Names, err = c.namesFor(r.Context(), []usage.Request{req}); err != nil {
		return err
	}
	if req.PriceVersion != "" {
		known, err := c.Reports.PriceVersions(r.Context(), []string{req.PriceVersion})
		if err != nil {
			return err
		}
		if prices, ok := known[req.PriceVersion]; ok {
			v.Prices = &prices
		}
	}
	return c.render(w, r, http.StatusOK, requestPage(c.frame(r, ui.Requests, i18n.T(r.Context(), "Request")), v))
}

// lanes places the attempts on the time line of the request. The wait for the first token is drawn lighter, in the
// attempt that answered.
func lanes(req usage.Request) []lane {
	whole := req.Duration
	for _, a := range req.Attempts {
		whole = max(whole, a.StartedAt.Sub(req.StartedAt)+a.Duration)
	}
	if whole <= 0 {
		whole = 1
	}
	part := func(d time.Duration) string {
		return strconv.FormatFloat(min(max(float64(d)/float64(whole), 0), 1)*1000, 'f', 1, 64)
	}
	out := make([]lane, len(req.Attempts))
	for i, a := range req.Attempts {
		start := a.StartedAt.Sub(req.StartedAt)
		out[i] = lane{
			Attempt: a, OK: a.Error == "" && a.Status < 400,
			Start: part(start), Width: part(max(a.Duration, whole/200)), First: "0",
		}
		if i == len(req.Attempts)-1 && req.FirstToken > start {
			out[i].First = part(min(req.FirstToken-start, a.Duration))
		}
	}
	return out
}
