package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// secretPrefix marks a secret whose bytes are written as base64.
const secretPrefix = "whsec_"

// enqueue has notifications sent to the webhooks of those who got them.
func (in *Inbox) enqueue(ctx context.Context, tx pgx.Tx, users []id.User, list []Notification) error {
	if len(list) == 0 {
		return nil
	}
	hooks, err := in.q.WebhooksByUsers(ctx, tx, db.WebhooksByUsersParams{UserIds: uuids(users), RowLimit: MaxWebhooks * maxAudience})
	if err != nil {
		return fmt.Errorf("find webhooks: %w", db.Classify(err))
	}
	for _, hook := range hooks {
		for _, n := range list {
			if n.UserID != hook.UserID {
				continue
			}
			delivery := id.New[id.Delivery]()
			err := in.q.InsertWebhookDelivery(ctx, tx, db.InsertWebhookDeliveryParams{
				ID: delivery, WebhookID: hook.ID, NotificationID: n.ID, CreatedAt: n.CreatedAt,
			})
			if err != nil {
				return fmt.Errorf("store delivery: %w", db.Classify(err))
			}
			if _, err := in.Inserter.InsertTx(ctx, tx, DeliverArgs{delivery}, nil); err != nil {
				return fmt.Errorf("enqueue delivery: %w", err)
			}
		}
	}
	return nil
}

// payload is the body of a webhook, in the form of standardwebhooks.com.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	ID       id.Notification   `json:"id"`
	Severity Severity          `json:"severity"`
	Title    string            `json:"title"`
	Text     string            `json:"text"`
	Subject  string            `json:"subject"`
	Details  map[string]string `json:"details"`
}

// Deliver sends a notification to a webhook and notes what came of it. last says that there will be no further attempt. A
// failure has the kind Upstream.
func (in *Inbox) Deliver(ctx context.Context, delivery id.Delivery, last bool) error {
	if _, err := authz.Require(ctx, authz.NotificationSend); err != nil {
		return err
	}
	row, err := in.q.GetWebhookDelivery(ctx, in.Pool, delivery)
	if err != nil {
		return fmt.Errorf("get delivery: %w", db.Classify(err))
	}
	hook, d := row.Webhook, row.WebhookDelivery
	if DeliveryState(d.State) != Pending {
		return nil
	}
	note := db.NoteWebhookAttemptParams{ID: delivery, State: string(Pending)}
	if !hook.Enabled {
		note.State, note.Error = string(Failed), "the webhook is disabled"
	} else {
		note.HttpStatus, note.Error, err = in.post(ctx, hook, delivery, fromRow(row.Notification))
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("deliver: %w", context.Cause(ctx)) // the node stops: it does not count
		}
		switch {
		case note.Error == "":
			note.State = string(Delivered)
		case last:
			note.State = string(Failed)
		}
	}
	if note.State != string(Pending) {
		now := in.Now().UTC()
		note.EndedAt = &now
	}
	if err := in.q.NoteWebhookAttempt(ctx, in.Pool, note); err != nil {
		return fmt.Errorf("note delivery: %w", db.Classify(err))
	}
	if note.Error != "" && hook.Enabled {
		return fault.Wrap(errors.New(note.Error), fault.Upstream, "the webhook was not delivered")
	}
	return nil
}

// post makes the call. refused is why it did not go well, for the webhook's owner.
func (in *Inbox) post(ctx context.Context, hook db.Webhook, delivery id.Delivery, n Notification) (status int32, refused string, err error) {
	key, err := in.Keyring.Open(hook.SecretSealed, hook.SecretKeyID, webhookPlace(hook.ID))
	if err != nil {
		in.Log.ErrorContext(ctx, "a webhook's secret does not open", "webhook", hook.ID, "error", err)
		return 0, "its secret cannot be read with this master key", err
	}
	body, err := json.Marshal(payload{n.Kind, n.CreatedAt, data{n.ID, n.Severity, n.Title, n.Text, n.Subject, n.Details}})
	if err != nil {
		return 0, "", fmt.Errorf("write webhook: %w", err)
	}
	at := strconv.FormatInt(in.Now().Unix(), 10)
	code, err := in.Poster.Post(ctx, hook.Url, map[string]string{
		"Content-Type": "application/json", "Webhook-Id": delivery.String(), "Webhook-Timestamp": at,
		"Webhook-Signature": sign(key.Reveal(), delivery.String(), at, body),
	}, body)
	switch {
	case err != nil:
		refused = "no answer"
		if failure, ok := fault.As(err); ok {
			refused = failure.Message
		}
		return 0, refused, err
	case code < 200 || code > 299:
		refused = fmt.Sprintf("HTTP %d", code)
	}
	return int32(code), refused, nil
}

// sign is the signature of standardwebhooks.com: HMAC-SHA256 over id, timestamp and body.
func sign(key, delivery, at string, body []byte) string {
	raw := []byte(key)
	if coded, ok := strings.CutPrefix(key, secretPrefix); ok {
		raw, _ = base64.StdEncoding.DecodeString(coded) // was checked
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(delivery + "." + at + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
