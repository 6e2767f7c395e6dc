-- +goose Up

-- Append-only: who did what to which thing. details never holds a secret.
CREATE TABLE audit_events (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    actor_kind text NOT NULL,
    actor_id   uuid,
    actor_name text NOT NULL DEFAULT '',
    action     text NOT NULL,
    target     text NOT NULL DEFAULT '',
    details    jsonb NOT NULL DEFAULT '{}',
    ip         text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT ''
);

CREATE INDEX audit_events_at_idx ON audit_events (at DESC, id DESC);
CREATE INDEX audit_events_actor_id_idx ON audit_events (actor_id, at DESC, id DESC);
