-- +goose Up

-- Gateway keys. The secret is shown once and kept as SHA-256: it has 256 random bits, so a slow hash would add nothing.
CREATE TABLE api_keys (
    id                  uuid PRIMARY KEY,
    user_id             uuid NOT NULL REFERENCES users,
    name                text NOT NULL,
    hint                text NOT NULL,
    secret_hash         bytea NOT NULL UNIQUE,
    scopes              text[] NOT NULL DEFAULT '{inference}',
    models              text[] NOT NULL DEFAULT '{}',
    provider_ids        uuid[] NOT NULL DEFAULT '{}',
    ip_ranges           text[] NOT NULL DEFAULT '{}',
    requests_per_minute integer CHECK (requests_per_minute > 0),
    tokens_per_minute   bigint CHECK (tokens_per_minute > 0),
    concurrency         integer CHECK (concurrency > 0),
    expires_at          timestamptz,
    revoked_at          timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX api_keys_user_id_idx ON api_keys (user_id, id DESC);

COMMENT ON COLUMN api_keys.models IS 'Model names this key may call; empty means every model its user may call.';
COMMENT ON COLUMN api_keys.provider_ids IS 'Providers this key may reach; empty means every provider its user may reach.';
