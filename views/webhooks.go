package views

import (
	"net/http"

	"aihigress/internal/id"
	"aihigress/internal/notify"
	"aihigress/internal/secret"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type webhooksView struct {
	Webhooks   []notify.Webhook
	Deliveries map[id.Webhook][]notify.Delivery
	URL        string // typed into the form
	Secret     string // of the one that was just made; shown once
	Problems   problems
}

func (c *console) webhooks(w http.ResponseWriter, r *http.Request) error {
	return c.webhooksPage(w, r, http.StatusOK, webhooksView{})
}

// webhooksPage shows the list around what a form made.
func (c *console) webhooksPage(w http.ResponseWriter, r *http.Request, status int, v webhooksView) error {
	ctx := r.Context()
	var err error
	if v.Webhooks, err = c.Inbox.Webhooks(ctx); err != nil {
		return err
	}
	v.Deliveries = map[id.Webhook][]notify.Delivery{}
	for _, hook := range v.Webhooks {
		if v.Deliveries[hook.ID], err = c.Inbox.Deliveries(ctx, hook.ID); err != nil {
			return err
		}
	}
	return c.render(w, r, status, webhooksPage(c.frame(r, ui.Notes, i18n.T(ctx, "Webhooks")), v))
}

// webhookCreate answers with the page itself where it made a secret: that is shown only once.
func (c *console) webhookCreate(w http.ResponseWriter, r *http.Request) error {
	own := secret.NewText(r.PostFormValue("secret"))
	_, key, err := c.Inbox.CreateWebhook(r.Context(), r.PostFormValue("url"), own)
	if err == nil && !own.Empty() {
		return c.done(w, r, "/notifications/webhooks", i18n.T(r.Context(), "The webhook is added."))
	}
	if err == nil {
		return c.webhooksPage(w, r, http.StatusOK, webhooksView{Secret: key.Reveal()})
	}
	p, status, ok := refused(r, err)
	if !ok {
		return err
	}
	return c.webhooksPage(w, r, status, webhooksView{URL: r.PostFormValue("url"), Problems: p})
}

func (c *console) webhookEnabled(w http.ResponseWriter, r *http.Request) error {
	hook, err := pathID[id.Webhook](r, "id")
	if err != nil {
		return err
	}
	on := r.PostFormValue("enabled") == "true"
	if _, err := c.Inbox.UpdateWebhook(r.Context(), hook, notify.WebhookChange{Enabled: &on}); err != nil {
		return err
	}
	return redirect(w, r, "/notifications/webhooks")
}

func (c *console) webhookDelete(w http.ResponseWriter, r *http.Request) error {
	hook, err := pathID[id.Webhook](r, "id")
	if err != nil {
		return err
	}
	if err := c.Inbox.DeleteWebhook(r.Context(), hook); err != nil {
		return err
	}
	return c.done(w, r, "/notifications/webhooks", i18n.T(r.Context(), "The webhook is removed."))
}
