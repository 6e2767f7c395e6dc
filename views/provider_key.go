package views

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/keypool"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

// providerKeyForm is what an administrator may change of a provider's key. An empty limit is none.
type providerKeyForm struct {
	Label, Weight, MaxQPS, MaxConcurrency, RequestsPerMinute, TokensPerMinute string
	Problems                                                                  problems
}

// providerKeyFields are those that the form shows problems at.
var providerKeyFields = []string{"label", "weight", "maxQps", "maxConcurrency", "requestsPerMinute", "tokensPerMinute"}

func providerKeyFormOf(k provider.Key) providerKeyForm {
	text := func(limit int64) string {
		if limit == 0 {
			return ""
		}
		return strconv.FormatInt(limit, 10)
	}
	l := k.Limits
	return providerKeyForm{
		Label: k.Label, Weight: strconv.Itoa(k.Weight), MaxQPS: text(l.MaxQPS), MaxConcurrency: text(l.MaxConcurrency),
		RequestsPerMinute: text(l.RequestsPerMinute), TokensPerMinute: text(l.TokensPerMinute),
	}
}

func (c *console) providerKey(w http.ResponseWriter, r *http.Request) error {
	pr, k, err := c.findProviderKey(r)
	if err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, providerKeyPage(c.frame(r, ui.Providers, k.Hint), pr, k, providerKeyFormOf(k), c.learnt(k)))
}

func (c *console) findProviderKey(r *http.Request) (provider.Provider, provider.Key, error) {
	v, err := c.providerView(r)
	if err != nil {
		return provider.Provider{}, provider.Key{}, err
	}
	keyID, err := pathID[id.ProviderKey](r, "key")
	if err != nil {
		return provider.Provider{}, provider.Key{}, err
	}
	i := slices.IndexFunc(v.Keys, func(k provider.Key) bool { return k.ID == keyID })
	if i < 0 {
		return provider.Provider{}, provider.Key{}, fault.New(fault.NotFound, "There is nothing at this address.")
	}
	return v.Provider, v.Keys[i], nil
}

func (c *console) providerKeyUpdate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	pr, k, err := c.findProviderKey(r)
	if err != nil {
		return err
	}
	form := providerKeyForm{
		Label: strings.TrimSpace(r.PostFormValue("label")), Weight: r.PostFormValue("weight"),
		MaxQPS: r.PostFormValue("maxQps"), MaxConcurrency: r.PostFormValue("maxConcurrency"),
		RequestsPerMinute: r.PostFormValue("requestsPerMinute"), TokensPerMinute: r.PostFormValue("tokensPerMinute"), Problems: problems{},
	}
	limit := func(field, text string) *int64 {
		n := readLimit[int64](ctx, form.Problems, field, text)
		if n == nil {
			return new(int64) // none
		}
		return n
	}
	weight := providerForm{Weight: strings.TrimSpace(form.Weight), Problems: form.Problems}.weight(r)
	in := provider.UpdateKeyInput{
		Label: &form.Label, Weight: &weight,
		MaxQPS: limit("maxQps", form.MaxQPS), MaxConcurrency: limit("maxConcurrency", form.MaxConcurrency),
		RequestsPerMinute: limit("requestsPerMinute", form.RequestsPerMinute), TokensPerMinute: limit("tokensPerMinute", form.TokensPerMinute),
	}
	status := http.StatusUnprocessableEntity
	if len(form.Problems) == 0 {
		_, err := c.Providers.UpdateKey(ctx, k.ID, in)
		if err == nil {
			return c.done(w, r, "/providers/"+pr.ID.String(), i18n.T(ctx, "Saved."))
		}
		var ok bool
		if form.Problems, status, ok = refused(r, err); !ok {
			return err
		}
	}
	return c.render(w, r, status, providerKeyPage(c.frame(r, ui.Providers, k.Hint), pr, k, form, c.learnt(k)))
}

// learnt is what the vendor said of a key's limits, in a steady order.
func (c *console) learnt(k provider.Key) []keypool.Learnt {
	return keypool.Sorted(c.Room.Learnt(k.ID))
}

// roomOf is how much of its limits each key has left, of those that anything limits.
func (c *console) roomOf(keys []provider.Key) map[id.ProviderKey]float64 {
	rooms := map[id.ProviderKey]float64{}
	for _, k := range keys {
		if room, ok := c.Room.Headroom(k.ID, keypool.Limits(k.Limits)); ok {
			rooms[k.ID] = room
		}
	}
	return rooms
}

// keyLimits says what a key may do.
func keyLimits(ctx context.Context, l provider.KeyLimits) string {
	var said []string
	say := func(limit int64, text func(string) string) {
		if limit > 0 {
			said = append(said, text(ui.Short(float64(limit))))
		}
	}
	say(l.MaxQPS, func(n string) string { return i18n.T(ctx, "%s a second", n) })
	say(l.RequestsPerMinute, func(n string) string { return i18n.T(ctx, "%s a minute", n) })
	say(l.TokensPerMinute, func(n string) string { return i18n.T(ctx, "%s tokens a minute", n) })
	say(l.MaxConcurrency, func(n string) string { return i18n.T(ctx, "%s at once", n) })
	if said == nil {
		return "–"
	}
	return strings.Join(said, " · ")
}

func roomText(rooms map[id.ProviderKey]float64, key id.ProviderKey) string {
	room, ok := rooms[key]
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*room)
}

func dimensionText(ctx context.Context, d keypool.Dimension) string {
	switch d {
	case keypool.Tokens:
		return i18n.T(ctx, "Tokens")
	case keypool.InputTokens:
		return i18n.T(ctx, "Input tokens")
	case keypool.OutputTokens:
		return i18n.T(ctx, "Output tokens")
	case keypool.Requests:
	}
	return i18n.T(ctx, "Requests")
}
