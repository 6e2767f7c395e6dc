package views

import (
	"net/http"

	"aihigress/internal/apikey"
	"aihigress/internal/catalog"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func (c *console) keyNew(w http.ResponseWriter, r *http.Request) error {
	return c.render(w, r, http.StatusOK, keyNewPage(c.frame(r, ui.Keys, i18n.T(r.Context(), "New key")), keyForm{}))
}

// keyCreate answers with the page that shows the secret, the only time that it can be seen. It does not redirect: the
// secret is nowhere that a second request could find it.
func (c *console) keyCreate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := readKeyForm(r)
	in := apikey.CreateInput{
		Name: form.Name, Scopes: form.scopes(), Models: lines(form.Models), IPRanges: lines(form.IPRanges),
		Limits: form.limits(ctx), ExpiresAt: form.expiry(ctx), Strategy: catalog.Strategy(form.Strategy), Timeout: form.timeout(ctx),
	}
	again := func(status int) error {
		return c.render(w, r, status, keyNewPage(c.frame(r, ui.Keys, i18n.T(ctx, "New key")), form))
	}
	if len(form.Problems) > 0 {
		return again(http.StatusUnprocessableEntity)
	}
	key, secret, err := c.Keys.Create(ctx, in)
	if err != nil {
		p, status, ok := refused(r, err)
		if !ok {
			return err
		}
		form.Problems = p
		return again(status)
	}
	return c.render(w, r, http.StatusOK, keySecretPage(c.frame(r, ui.Keys, i18n.T(ctx, "New key")), key, secret.Reveal(), c.example(r, secret.Reveal(), key.Models)))
}

// example is a command that uses the key at once.
func (c *console) example(r *http.Request, secret string, models []string) string {
	model := "MODEL"
	if len(models) > 0 {
		model = models[0]
	}
	return "curl " + c.publicURL(r) + "/v1/chat/completions \\\n" +
		"  -H 'Authorization: Bearer " + secret + "' \\\n" +
		"  -H 'Content-Type: application/json' \\\n" +
		`  -d '{"model":"` + model + `","messages":[{"role":"user","content":"Hello"}]}'`
}

// publicURL is where callers reach the gateway.
func (c *console) publicURL(r *http.Request) string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
