package views

import (
	"net/http"
	"strings"

	"aihigress/internal/egress"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type egressView struct {
	page.Page[egress.Pool]
	Proxies             map[id.EgressPool][]egress.Proxy
	Query               string
	FirstPage, NextPage string
}

func (c *console) egress(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	v := egressView{Query: strings.TrimSpace(q.Get("q"))}
	var err error
	if v.Page, err = c.Egress.List(ctx, egress.Filter{Query: v.Query}, page.Args{First: pageSize, After: q.Get("after")}); err != nil {
		return err
	}
	ids := make([]id.EgressPool, len(v.Items))
	for i, pool := range v.Items {
		ids[i] = pool.ID
	}
	if v.Proxies, err = c.Egress.ProxiesOf(ctx, ids); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.HasNext, v.End())
	return c.render(w, r, http.StatusOK, egressPage(c.frame(r, ui.Egress, i18n.T(ctx, "Egress")), v))
}

// working counts the proxies of a pool whose last check went well, and those that were checked.
func working(proxies []egress.Proxy) (healthy, checked int) {
	for _, p := range proxies {
		if p.State == provider.Healthy {
			healthy++
		}
		if p.State != provider.Unknown {
			checked++
		}
	}
	return healthy, checked
}

// egressForm is a pool as its forms have it. The address of its list and proxies with their credentials are never sent back to
// the browser.
type egressForm struct {
	Name, Choice           string
	AllowDirect, ListPlain bool
	RemoveList             bool
	AllowHosts             string // one a line
	ListURL, Proxies       string
	Problems               problems
}

func readEgressForm(r *http.Request) egressForm {
	text := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	on := func(name string) bool { return r.PostFormValue(name) == "on" }
	return egressForm{
		Name: text("name"), Choice: text("choice"), AllowDirect: on("allowDirect"), ListPlain: on("listPlain"), RemoveList: on("removeList"),
		AllowHosts: text("allowHosts"), ListURL: text("listUrl"), Proxies: text("proxies"),
	}
}

func egressFormOf(p egress.Pool) egressForm {
	return egressForm{
		Name: p.Name, Choice: string(p.Choice), AllowDirect: p.AllowDirect, ListPlain: p.ListPlain, AllowHosts: strings.Join(p.AllowHosts, "\n"),
	}
}

func (c *console) egressNew(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators create egress pools.")
	}
	return c.render(w, r, http.StatusOK, egressNewPage(c.frame(r, ui.Egress, i18n.T(r.Context(), "New egress pool")), egressForm{Choice: string(egress.Random)}))
}

func (c *console) egressCreate(w http.ResponseWriter, r *http.Request) error {
	ctx, form := r.Context(), readEgressForm(r)
	made, err := c.Egress.Create(ctx, egress.CreateInput{
		Name: form.Name, Choice: egress.Choice(form.Choice), AllowDirect: form.AllowDirect, AllowHosts: lines(form.AllowHosts),
		List: secret.NewText(form.ListURL), ListPlain: form.ListPlain, Proxies: secretTexts(lines(form.Proxies)),
	})
	if err == nil {
		return c.done(w, r, watchingEgress(made.ID), i18n.T(ctx, "The egress pool is created. Its proxies are being checked."))
	}
	var status int
	var ok bool
	if form.Problems, status, ok = refused(r, err); !ok {
		return err
	}
	return c.render(w, r, status, egressNewPage(c.frame(r, ui.Egress, i18n.T(ctx, "New egress pool")), form))
}
