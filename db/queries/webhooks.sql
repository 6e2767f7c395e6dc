-- name: InsertWebhook :one
INSERT INTO webhooks (id, user_id, url, secret_key_id, secret_sealed)
VALUES (@id, @user_id, @url, @secret_key_id, @secret_sealed)
RETURNING *;

-- name: WebhooksByUser :many
SELECT *
FROM webhooks
WHERE user_id = @user_id
ORDER BY id
LIMIT @row_limit;

-- name: WebhooksByUsers :many
SELECT *
FROM webhooks
WHERE user_id = ANY(@user_ids::uuid[])
    AND enabled
ORDER BY id
LIMIT @row_limit;

-- name: GetWebhook :one
SELECT *
FROM webhooks
WHERE id = @id;

-- name: GetWebhookForUpdate :one
SELECT *
FROM webhooks
WHERE id = @id
FOR UPDATE;

-- name: UpdateWebhook :one
UPDATE webhooks
SET url = @url,
    enabled = @enabled
WHERE id = @id
RETURNING *;

-- name: DeleteWebhook :exec
DELETE FROM webhooks
WHERE id = @id;

-- name: InsertWebhookDelivery :exec
INSERT INTO webhook_deliveries (id, webhook_id, notification_id, created_at)
VALUES (@id, @webhook_id, @notification_id, @created_at);

-- name: GetWebhookDelivery :one
SELECT sqlc.embed(d), sqlc.embed(w), sqlc.embed(n)
FROM webhook_deliveries d
JOIN webhooks w ON w.id = d.webhook_id
JOIN notifications n ON n.id = d.notification_id
WHERE d.id = @id;

-- name: NoteWebhookAttempt :exec
UPDATE webhook_deliveries
SET state = @state,
    attempts = attempts + 1,
    http_status = @http_status,
    error = @error,
    ended_at = sqlc.narg('ended_at')
WHERE id = @id;

-- The last deliveries of each of some webhooks.
-- name: WebhookDeliveries :many
SELECT d.*, n.title
FROM webhook_deliveries d
JOIN notifications n ON n.id = d.notification_id
WHERE d.webhook_id = @webhook_id
ORDER BY d.created_at DESC, d.id DESC
LIMIT @row_limit;
