package views

import (
	"net/http"
	"strconv"

	"aihigress/internal/egress"
	"aihigress/internal/id"
	"aihigress/internal/secret"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type egressPoolView struct {
	Pool     egress.Pool
	Proxies  []egress.Proxy
	Watch    int // how often the page still looks for the result of a check
	Form     egressForm
	Problems problems // of the form that adds proxies
}

// watchingEgress is a pool's page, looking for the result of what was just asked for.
func watchingEgress(pool id.EgressPool) string {
	return "/egress/" + pool.String() + "?watch=" + strconv.Itoa(watchTimes)
}

func (c *console) egressPool(w http.ResponseWriter, r *http.Request) error {
	v, err := c.egressPoolView(r)
	if err != nil {
		return err
	}
	return c.showEgressPool(w, r, http.StatusOK, v)
}

func (c *console) showEgressPool(w http.ResponseWriter, r *http.Request, status int, v egressPoolView) error {
	return c.render(w, r, status, egressPoolPage(c.frame(r, ui.Egress, v.Pool.Name), v))
}

func (c *console) egressPoolView(r *http.Request) (egressPoolView, error) {
	ctx, v := r.Context(), egressPoolView{}
	if n, err := strconv.Atoi(r.URL.Query().Get("watch")); err == nil {
		v.Watch = min(n, watchTimes)
	}
	pool, err := pathID[id.EgressPool](r, "id")
	if err != nil {
		return v, err
	}
	if v.Pool, err = c.Egress.Get(ctx, pool); err != nil {
		return v, err
	}
	proxies, err := c.Egress.ProxiesOf(ctx, []id.EgressPool{pool})
	v.Proxies, v.Form = proxies[pool], egressFormOf(v.Pool)
	return v, err
}

// egressUpdate takes the form with the settings. An empty address of a list leaves the list as it is.
func (c *console) egressUpdate(w http.ResponseWriter, r *http.Request) error {
	v, err := c.egressPoolView(r)
	if err != nil {
		return err
	}
	form := readEgressForm(r)
	in := egress.UpdateInput{
		Name: &form.Name, Choice: new(egress.Choice(form.Choice)), AllowDirect: &form.AllowDirect, ListPlain: &form.ListPlain,
		AllowHosts: new(lines(form.AllowHosts)),
	}
	if form.ListURL != "" || form.RemoveList {
		in.List = new(secret.NewText(form.ListURL))
	}
	if _, err = c.Egress.Update(r.Context(), v.Pool.ID, in); err == nil {
		return c.done(w, r, watchingEgress(v.Pool.ID), i18n.T(r.Context(), "Saved."))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	v.Form = form
	v.Form.Problems = p
	return c.showEgressPool(w, r, status, v)
}

func (c *console) egressProxyAdd(w http.ResponseWriter, r *http.Request) error {
	v, err := c.egressPoolView(r)
	if err != nil {
		return err
	}
	in := egress.UpdateInput{Add: secretTexts(lines(r.PostFormValue("addProxies")))}
	if _, err = c.Egress.Update(r.Context(), v.Pool.ID, in); err == nil {
		return c.done(w, r, watchingEgress(v.Pool.ID), i18n.T(r.Context(), "The proxies are added and being checked."))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	v.Problems = p
	return c.showEgressPool(w, r, status, v)
}

func (c *console) egressProxyRemove(w http.ResponseWriter, r *http.Request) error {
	pool, err := pathID[id.EgressPool](r, "id")
	if err != nil {
		return err
	}
	proxy, err := pathID[id.EgressProxy](r, "proxy")
	if err != nil {
		return err
	}
	if _, err := c.Egress.Update(r.Context(), pool, egress.UpdateInput{Remove: []id.EgressProxy{proxy}}); err != nil {
		return err
	}
	return c.done(w, r, "/egress/"+pool.String(), i18n.T(r.Context(), "The proxy is removed."))
}

func (c *console) egressCheck(w http.ResponseWriter, r *http.Request) error {
	pool, err := pathID[id.EgressPool](r, "id")
	if err != nil {
		return err
	}
	if err := c.Egress.RequestCheck(r.Context(), pool); err != nil {
		return err
	}
	return c.done(w, r, watchingEgress(pool), i18n.T(r.Context(), "A check is under way. Its result appears here."))
}

func (c *console) egressDelete(w http.ResponseWriter, r *http.Request) error {
	v, err := c.egressPoolView(r)
	if err != nil {
		return err
	}
	if err = c.Egress.Delete(r.Context(), v.Pool.ID); err == nil {
		return c.done(w, r, "/egress", i18n.T(r.Context(), "The egress pool is deleted."))
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	v.Form.Problems = p
	return c.showEgressPool(w, r, status, v)
}

func secretTexts(list []string) []secret.Text {
	all := make([]secret.Text, len(list))
	for i, text := range list {
		all[i] = secret.NewText(text)
	}
	return all
}
