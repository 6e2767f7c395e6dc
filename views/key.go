package views

import (
	"net/http"

	"aihigress/internal/apikey"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) key(w http.ResponseWriter, r *http.Request) error {
	keyID, err := pathID[id.Key](r, "id")
	if err != nil {
		return err
	}
	key, err := c.Keys.Get(r.Context(), keyID)
	if err != nil {
		return err
	}
	return c.renderKey(w, r, http.StatusOK, key, keyFormOf(key))
}

// renderKey writes a key's page, with what was spent of its budget.
func (c *console) renderKey(w http.ResponseWriter, r *http.Request, status int, key apikey.Key, form keyForm) error {
	spends, err := c.Keys.Spends(r.Context(), []id.Key{key.ID})
	if err != nil {
		return err
	}
	var spend *credit.Spend
	if s, ok := spends[key.ID]; ok {
		spend = &s
	}
	return c.render(w, r, status, keyPage(c.frame(r, ui.Keys, key.Name), key, spend, form))
}

func (c *console) keyUpdate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	keyID, err := pathID[id.Key](r, "id")
	if err != nil {
		return err
	}
	key, err := c.Keys.Get(ctx, keyID)
	if err != nil {
		return err
	}
	form := readKeyForm(r)
	limits, expiry := form.limits(ctx), form.expiry(ctx)
	strategy, timeout := catalog.Strategy(form.Strategy), form.timeout(ctx)
	in := apikey.UpdateInput{
		Name: &form.Name, Models: lines(form.Models), IPRanges: lines(form.IPRanges), Limits: &limits, ExpiresAt: &expiry,
		Strategy: &strategy, Timeout: &timeout,
	}
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		_, err := c.Keys.Update(ctx, keyID, in)
		if err == nil {
			return c.done(w, r, "/keys/"+keyID.String(), i18n.T(ctx, "Saved."))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.renderKey(w, r, status, key, form)
}

func (c *console) keyRevoke(w http.ResponseWriter, r *http.Request) error {
	keyID, err := pathID[id.Key](r, "id")
	if err != nil {
		return err
	}
	if _, err := c.Keys.Revoke(r.Context(), keyID); err != nil {
		return err
	}
	return c.done(w, r, "/keys", i18n.T(r.Context(), "The key is revoked."))
}
