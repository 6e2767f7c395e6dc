package views

import (
	"net/http"
	"strconv"

	"aihigress/internal/egress"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/overload"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type providerView struct {
	Provider  provider.Provider
	Keys      []provider.Key
	Rooms     map[id.ProviderKey]float64 // of those keys that anything limits: what is left, from 0 to 1
	Models    []provider.Model
	Loads     []overload.Load
	Circuits  []health.Change
	Pool      *egress.Pool // through whose proxies it is called
	MayChange bool
	Watch     int      // how often the page still looks for the result of a probe or discovery
	Problems  problems // of the forms that add a key or a model
}

// maxLoads is how many loads are shown.
const maxLoads = 20

// keyHint is how a key of the provider is told from others; empty where it is gone or there is none.
func (v providerView) keyHint(key id.ProviderKey) string {
	for i := range v.Keys {
		if v.Keys[i].ID == key {
			return v.Keys[i].Hint
		}
	}
	return ""
}

// watchTimes is how often a page looks for what it asked a job to do, once in two seconds.
const watchTimes = 15

// watching is the provider's page, looking for the result of what was just asked for.
func watching(providerID id.Provider) string {
	return "/providers/" + providerID.String() + "?watch=" + strconv.Itoa(watchTimes)
}

func (c *console) provider(w http.ResponseWriter, r *http.Request) error {
	v, err := c.providerView(r)
	if err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, providerPage(c.frame(r, ui.Providers, v.Provider.Name), v))
}

func (c *console) providerView(r *http.Request) (providerView, error) {
	ctx := r.Context()
	v := providerView{MayChange: admin(r)}
	if n, err := strconv.Atoi(r.URL.Query().Get("watch")); err == nil {
		v.Watch = min(n, watchTimes)
	}
	providerID, err := pathID[id.Provider](r, "id")
	if err != nil {
		return v, err
	}
	if v.Provider, err = c.Providers.Get(ctx, providerID); err != nil {
		return v, err
	}
	if v.Models, err = c.Providers.Models(ctx, providerID); err != nil {
		return v, err
	}
	v.Loads = c.Loads(providerID)
	v.Loads = v.Loads[:min(len(v.Loads), maxLoads)]
	v.Circuits = c.Health.Ejected(providerID)
	if v.MayChange { // the keys are the owner's, and only administrators own providers
		if v.Keys, err = c.Providers.Keys(ctx, providerID); err != nil {
			return v, err
		}
		v.Rooms = c.roomOf(v.Keys)
	}
	if v.MayChange && v.Provider.EgressPoolID != nil {
		pool, err := c.Egress.Get(ctx, *v.Provider.EgressPoolID)
		if err != nil {
			return v, err
		}
		v.Pool = &pool
	}
	return v, nil
}

func (c *console) providerEnabled(w http.ResponseWriter, r *http.Request) error {
	providerID, err := pathID[id.Provider](r, "id")
	if err != nil {
		return err
	}
	on := r.PostFormValue("enabled") == "true"
	if _, err := c.Providers.SetEnabled(r.Context(), providerID, on); err != nil {
		return err
	}
	text := i18n.T(r.Context(), "The provider is disabled.")
	if on {
		text = i18n.T(r.Context(), "The provider is enabled.")
	}
	return c.done(w, r, "/providers/"+providerID.String(), text)
}

func (c *console) providerProbe(w http.ResponseWriter, r *http.Request) error {
	providerID, err := pathID[id.Provider](r, "id")
	if err != nil {
		return err
	}
	if err := c.Providers.RequestProbe(r.Context(), providerID); err != nil {
		return err
	}
	return c.done(w, r, watching(providerID), i18n.T(r.Context(), "A probe is under way. Its result appears here."))
}

func (c *console) providerDiscover(w http.ResponseWriter, r *http.Request) error {
	providerID, err := pathID[id.Provider](r, "id")
	if err != nil {
		return err
	}
	if err := c.Providers.RequestDiscovery(r.Context(), providerID); err != nil {
		return err
	}
	return c.done(w, r, watching(providerID), i18n.T(r.Context(), "The models are being looked up. They appear here."))
}

func (c *console) providerDelete(w http.ResponseWriter, r *http.Request) error {
	providerID, err := pathID[id.Provider](r, "id")
	if err != nil {
		return err
	}
	if err := c.Providers.Delete(r.Context(), providerID); err != nil {
		return err
	}
	return c.done(w, r, "/providers", i18n.T(r.Context(), "The provider is deleted."))
}

func (c *console) providerKeyAdd(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v, err := c.providerView(r)
	if err != nil {
		return err
	}
	_, err = c.Providers.AddKey(ctx, v.Provider.ID, provider.KeyInput{
		Label: r.PostFormValue("label"), Secret: secret.NewText(r.PostFormValue("secret")),
	})
	if err == nil {
		return c.done(w, r, "/providers/"+v.Provider.ID.String(), i18n.T(ctx, "The key is added."))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	v.Problems = p
	return c.render(w, r, status, providerPage(c.frame(r, ui.Providers, v.Provider.Name), v))
}

func (c *console) providerKeyRotate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	providerID, keyID, err := providerKeyIDs(r)
	if err != nil {
		return err
	}
	if _, err := c.Providers.RotateKey(ctx, keyID, secret.NewText(r.PostFormValue("secret"))); err != nil {
		return err
	}
	return c.done(w, r, "/providers/"+providerID.String(), i18n.T(ctx, "The key is replaced. Running requests keep the old one."))
}

func (c *console) providerKeyEnabled(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	providerID, keyID, err := providerKeyIDs(r)
	if err != nil {
		return err
	}
	on := r.PostFormValue("enabled") == "true"
	if _, err := c.Providers.SetKeyEnabled(ctx, keyID, on); err != nil {
		return err
	}
	text := i18n.T(ctx, "The key is not used any more. Running requests keep it.")
	if on {
		text = i18n.T(ctx, "The key is used again.")
	}
	return c.done(w, r, "/providers/"+providerID.String(), text)
}

func (c *console) providerKeyRemove(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	providerID, keyID, err := providerKeyIDs(r)
	if err != nil {
		return err
	}
	if err := c.Providers.RemoveKey(ctx, keyID); err != nil {
		return err
	}
	return c.done(w, r, "/providers/"+providerID.String(), i18n.T(ctx, "The key is removed."))
}

func providerKeyIDs(r *http.Request) (id.Provider, id.ProviderKey, error) {
	providerID, err := pathID[id.Provider](r, "id")
	if err != nil {
		return id.Provider{}, id.ProviderKey{}, err
	}
	keyID, err := pathID[id.ProviderKey](r, "key")
	return providerID, keyID, err
}
