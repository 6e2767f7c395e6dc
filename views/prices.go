package views

import (
	"net/http"
	"time"

	"aihigress/internal/catalog"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// pricesView is where prices come from, and which are missing.
type pricesView struct {
	Catalog  catalog.Refresh
	Unpriced []provider.Unpriced
	Total    int // of those that have no price
}

func (c *console) prices(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var v pricesView
	var err error
	if v.Catalog, err = c.Book.LastRefresh(ctx); err != nil {
		return err
	}
	if v.Unpriced, v.Total, err = c.Providers.Unpriced(ctx); err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, pricesPage(c.frame(r, ui.Models, i18n.T(ctx, "Prices")), v))
}

func (c *console) pricesRefresh(w http.ResponseWriter, r *http.Request) error {
	done, err := c.Providers.RefreshPrices(r.Context())
	if err != nil {
		return err
	}
	if done.Error != "" {
		return redirect(w, r, "/prices") // which says it
	}
	return c.done(w, r, "/prices", i18n.T(r.Context(), "The price catalogue is read."))
}

// whenever is the zero time for none.
func whenever(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
