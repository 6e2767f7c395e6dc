package notify

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/secret"
)

const (
	// MaxWebhooks is how many webhooks a user has at most.
	MaxWebhooks = 5
	// maxDeliveries is how many deliveries of a webhook are shown.
	maxDeliveries = 20
	maxURL        = 500
	minSecret     = 16
	maxSecret     = 200
)

// A Webhook is an address that a user's notifications are sent to.
type Webhook struct {
	ID        id.Webhook
	UserID    id.User
	URL       string
	Enabled   bool
	CreatedAt time.Time
}

// A Delivery is one notification on its way to a webhook.
type Delivery struct {
	ID             id.Delivery
	NotificationID id.Notification
	Title          string // the notification's
	State          DeliveryState
	Attempts       int
	HTTPStatus     int    // of the last attempt; 0 where no answer came
	Error          string // of the last attempt; safe to show
	CreatedAt      time.Time
	EndedAt        *time.Time // when it was delivered or given up
}

// A DeliveryState is how far a delivery is.
type DeliveryState string

// The states.
const (
	Pending   DeliveryState = "pending" // waits for its first attempt or the next
	Delivered DeliveryState = "delivered"
	Failed    DeliveryState = "failed" // was given up
)

// CreateWebhook has the actor's notifications sent to an address, signed with a secret: the one given, or else one that is
// made, and is shown only here.
func (in *Inbox) CreateWebhook(ctx context.Context, address string, own secret.Text) (Webhook, secret.Text, error) {
	grant, err := authz.Require(ctx, authz.WebhookWrite)
	if err != nil {
		return Webhook{}, own, err
	}
	if grant.UserID.IsZero() {
		return Webhook{}, own, fault.New(fault.Invalid, "a webhook is a user's")
	}
	address, host, err := checkURL(address)
	if err != nil {
		return Webhook{}, own, err
	}
	if own, err = checkSecret(own); err != nil {
		return Webhook{}, own, err
	}
	var made Webhook
	err = db.InTx(ctx, in.Pool, func(tx pgx.Tx) error {
		rows, err := in.q.WebhooksByUser(ctx, tx, db.WebhooksByUserParams{UserID: grant.UserID, RowLimit: MaxWebhooks})
		if err != nil {
			return err
		}
		if len(rows) >= MaxWebhooks {
			return fault.New(fault.Conflict, "a user has at most %d webhooks", MaxWebhooks)
		}
		key := id.New[id.Webhook]()
		row, err := in.q.InsertWebhook(ctx, tx, db.InsertWebhookParams{
			ID: key, UserID: grant.UserID, Url: address, SecretKeyID: in.Keyring.ID(), SecretSealed: in.Keyring.Seal(own, webhookPlace(key)),
		})
		if err != nil {
			return err
		}
		made = webhookFromRow(row)
		return in.Audit.Record(ctx, tx, "webhook.create", key.String(), map[string]any{"host": host})
	})
	if err != nil {
		return Webhook{}, own, fmt.Errorf("create webhook: %w", err)
	}
	return made, own, nil
}

// Webhooks lists the actor's, oldest first.
func (in *Inbox) Webhooks(ctx context.Context) ([]Webhook, error) {
	grant, err := authz.Require(ctx, authz.WebhookRead)
	if err != nil {
		return nil, err
	}
	rows, err := in.q.WebhooksByUser(ctx, in.Pool, db.WebhooksByUserParams{UserID: grant.UserID, RowLimit: MaxWebhooks})
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", db.Classify(err))
	}
	list := make([]Webhook, len(rows))
	for i, row := range rows {
		list[i] = webhookFromRow(row)
	}
	return list, nil
}

// A WebhookChange says what becomes different; nil stays.
type WebhookChange struct {
	URL     *string
	Enabled *bool
}

// UpdateWebhook changes one of the actor's webhooks. What waits goes to the new address.
func (in *Inbox) UpdateWebhook(ctx context.Context, webhook id.Webhook, change WebhookChange) (Webhook, error) {
	grant, err := authz.Require(ctx, authz.WebhookWrite)
	if err != nil {
		return Webhook{}, err
	}
	var after Webhook
	err = db.InTx(ctx, in.Pool, func(tx pgx.Tx) error {
		row, err := in.ownWebhook(ctx, tx, grant, webhook)
		if err != nil {
			return err
		}
		details := map[string]any{}
		if change.URL != nil {
			if row.Url, details["host"], err = checkURL(*change.URL); err != nil {
				return err
			}
		}
		if change.Enabled != nil {
			row.Enabled, details["enabled"] = *change.Enabled, *change.Enabled
		}
		if row, err = in.q.UpdateWebhook(ctx, tx, db.UpdateWebhookParams{ID: webhook, Url: row.Url, Enabled: row.Enabled}); err != nil {
			return err
		}
		after = webhookFromRow(row)
		return in.Audit.Record(ctx, tx, "webhook.update", webhook.String(), details)
	})
	if err != nil {
		return Webhook{}, fmt.Errorf("update webhook: %w", err)
	}
	return after, nil
}

// DeleteWebhook removes one of the actor's webhooks, with its deliveries.
func (in *Inbox) DeleteWebhook(ctx context.Context, webhook id.Webhook) error {
	grant, err := authz.Require(ctx, authz.WebhookWrite)
	if err != nil {
		return err
	}
	err = db.InTx(ctx, in.Pool, func(tx pgx.Tx) error {
		if _, err := in.ownWebhook(ctx, tx, grant, webhook); err != nil {
			return err
		}
		if err := in.q.DeleteWebhook(ctx, tx, webhook); err != nil {
			return err
		}
		return in.Audit.Record(ctx, tx, "webhook.delete", webhook.String(), nil)
	})
	if err != nil {
		return fmt.Errorf("delete webhook: %w", err)
	}
	return nil
}

// Deliveries lists what was last sent to one of the actor's webhooks, newest first.
func (in *Inbox) Deliveries(ctx context.Context, webhook id.Webhook) ([]Delivery, error) {
	grant, err := authz.Require(ctx, authz.WebhookRead)
	if err != nil {
		return nil, err
	}
	row, err := in.q.GetWebhook(ctx, in.Pool, webhook)
	if err != nil {
		return nil, fmt.Errorf("get webhook: %w", db.Classify(err))
	}
	if row.UserID != grant.UserID {
		return nil, fault.New(fault.NotFound, "not found")
	}
	rows, err := in.q.WebhookDeliveries(ctx, in.Pool, db.WebhookDeliveriesParams{WebhookID: webhook, RowLimit: maxDeliveries})
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", db.Classify(err))
	}
	list := make([]Delivery, len(rows))
	for i, d := range rows {
		list[i] = Delivery{
			ID: d.ID, NotificationID: d.NotificationID, Title: d.Title, State: DeliveryState(d.State), Attempts: int(d.Attempts),
			HTTPStatus: int(d.HttpStatus), Error: d.Error, CreatedAt: d.CreatedAt, EndedAt: d.EndedAt,
		}
	}
	return list, nil
}

// ownWebhook is one of the actor's webhooks, locked until the transaction ends.
func (in *Inbox) ownWebhook(ctx context.Context, tx pgx.Tx, g authz.Grant, webhook id.Webhook) (db.Webhook, error) {
	row, err := in.q.GetWebhookForUpdate(ctx, tx, webhook)
	if err != nil {
		return row, err
	}
	if row.UserID != g.UserID {
		return row, fault.New(fault.NotFound, "not found")
	}
	return row, nil
}

// checkURL is an address as it is stored, and its host, which may be told to others. What its name resolves to is judged
// when connecting, not here.
func checkURL(text string) (address, host string, err error) {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return "", "", fault.Field("url", "an address has at most %d bytes", maxURL)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return "", "", fault.Field("url", "an address begins with https:// or http:// and names a host")
	case u.User != nil:
		return "", "", fault.Field("url", "an address holds no user name or password")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return "", "", fault.Field("url", "an address has no #")
	}
	return text, u.Hostname(), nil
}

// checkSecret is the secret, or a new one where there is none.
func checkSecret(own secret.Text) (secret.Text, error) {
	text := strings.TrimSpace(own.Reveal())
	if text == "" {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw) // never fails
		return secret.NewText(secretPrefix + base64.StdEncoding.EncodeToString(raw)), nil
	}
	if len(text) < minSecret || len(text) > maxSecret || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return own, fault.Field("secret", "a webhook's secret has %d to %d printable ASCII characters and no spaces", minSecret, maxSecret)
	}
	if coded, ok := strings.CutPrefix(text, secretPrefix); ok {
		if raw, err := base64.StdEncoding.DecodeString(coded); err != nil || len(raw) < minSecret {
			return own, fault.Field("secret", "behind %s stands base64 of at least %d bytes", secretPrefix, minSecret)
		}
	}
	return secret.NewText(text), nil
}

// webhookPlace is where a webhook's secret stands, as secret.Keyring binds it.
func webhookPlace(webhook id.Webhook) string { return "webhooks/" + webhook.String() }

func webhookFromRow(row db.Webhook) Webhook {
	return Webhook{ID: row.ID, UserID: row.UserID, URL: row.Url, Enabled: row.Enabled, CreatedAt: row.CreatedAt}
}
