-- +goose Up

-- What a user is told. title and text are English; kind and details are for whoever words it otherwise.
CREATE TABLE notifications (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    kind       text NOT NULL,
    severity   text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    title      text NOT NULL,
    text       text NOT NULL DEFAULT '',
    subject    text NOT NULL DEFAULT '',
    details    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    read_at    timestamptz
);

COMMENT ON COLUMN notifications.subject IS 'Typed id of what it is about.';

CREATE INDEX notifications_user_id_idx ON notifications (user_id, created_at DESC, id DESC);
CREATE INDEX notifications_unread_idx ON notifications (user_id, created_at DESC, id DESC) WHERE read_at IS NULL;
CREATE INDEX notifications_created_at_idx ON notifications (created_at);

-- What was last told of a matter, so that several nodes tell of one change once, and not of each of many.
CREATE TABLE notification_matters (
    matter   text PRIMARY KEY,
    state    text NOT NULL,
    told_at  timestamptz NOT NULL,
    level    integer NOT NULL DEFAULT 0
);

COMMENT ON COLUMN notification_matters.level IS 'How often it changed lately: each doubles the time until the next is told.';

-- Where a user's notifications are sent to as well. secret_sealed is bound to this row.
CREATE TABLE webhooks (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users,
    url           text NOT NULL,
    secret_key_id text NOT NULL,
    secret_sealed bytea NOT NULL,
    enabled       boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX webhooks_user_id_idx ON webhooks (user_id, id);

CREATE TABLE webhook_deliveries (
    id              uuid PRIMARY KEY,
    webhook_id      uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    notification_id uuid NOT NULL REFERENCES notifications ON DELETE CASCADE,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        integer NOT NULL DEFAULT 0,
    http_status     integer NOT NULL DEFAULT 0,
    error           text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL,
    ended_at        timestamptz
);

CREATE INDEX webhook_deliveries_webhook_id_idx ON webhook_deliveries (webhook_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_notification_id_idx ON webhook_deliveries (notification_id);
