-- +goose Up

CREATE TABLE providers (
    id                  uuid PRIMARY KEY,
    owner_id            uuid REFERENCES users,
    slug                text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name                text NOT NULL,
    dialect             text NOT NULL CHECK (dialect IN ('openai', 'responses', 'anthropic', 'gemini')),
    kind                text NOT NULL DEFAULT 'direct' CHECK (kind IN ('direct')),
    base_url            text NOT NULL,
    visibility          text NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'shared', 'public')),
    preset_id           text NOT NULL DEFAULT '',
    headers             jsonb NOT NULL DEFAULT '{}',
    weight              integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 1000000),
    ask_stream_usage    boolean NOT NULL DEFAULT true,
    allow_private       boolean NOT NULL DEFAULT false,
    accept_any_model    boolean NOT NULL DEFAULT false,
    enabled             boolean NOT NULL DEFAULT true,
    deleted_at          timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN providers.ask_stream_usage IS 'Ask a streaming upstream for usage when the caller did not (stream_options.include_usage).';
COMMENT ON COLUMN providers.allow_private IS 'An admin lets this provider be at a private or loopback address.';

-- The vendor credentials of a provider. secret_sealed is bound to this row and readable with the master key secret_key_id names.
CREATE TABLE provider_keys (
    id            uuid PRIMARY KEY,
    provider_id   uuid NOT NULL REFERENCES providers,
    label         text NOT NULL DEFAULT '',
    hint          text NOT NULL,
    secret_key_id text NOT NULL,
    secret_sealed bytea NOT NULL,
    weight        integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 1000000),
    max_qps       integer CHECK (max_qps > 0),
    enabled       boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX provider_keys_provider_id_idx ON provider_keys (provider_id, id);

-- What a provider offers. Prices are micro-credits per 1,000,000 tokens; NULL is unpriced, never free.
CREATE TABLE provider_models (
    id                 uuid PRIMARY KEY,
    provider_id        uuid NOT NULL REFERENCES providers,
    upstream_id        text NOT NULL,
    alias              text NOT NULL DEFAULT '',
    capabilities       text[] NOT NULL DEFAULT '{}',
    context_tokens     bigint CHECK (context_tokens > 0),
    max_output_tokens  bigint CHECK (max_output_tokens > 0),
    input_price        bigint CHECK (input_price >= 0),
    cached_input_price bigint CHECK (cached_input_price >= 0),
    cache_write_price  bigint CHECK (cache_write_price >= 0),
    output_price       bigint CHECK (output_price >= 0),
    price_source       text NOT NULL DEFAULT '' CHECK (price_source IN ('', 'manual', 'catalog')),
    source             text NOT NULL CHECK (source IN ('manual', 'discovered')),
    enabled            boolean NOT NULL DEFAULT true,
    missing_since      timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider_id, upstream_id)
);

-- What the last probe saw. Apart from providers, so that a probe does not stir the configuration's listeners.
CREATE TABLE provider_health (
    provider_id uuid PRIMARY KEY REFERENCES providers,
    state       text NOT NULL CHECK (state IN ('unknown', 'healthy', 'unhealthy')),
    http_status integer NOT NULL DEFAULT 0,
    latency_us  bigint NOT NULL DEFAULT 0,
    error       text NOT NULL DEFAULT '',
    checked_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL
);
