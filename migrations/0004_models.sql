-- +goose Up

-- A logical model: the name callers use, and the routes that keep its promise.
CREATE TABLE models (
    id          uuid PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name <> ''),
    description text NOT NULL DEFAULT '',
    strategy    text NOT NULL DEFAULT 'weighted' CHECK (strategy IN ('weighted', 'priority')),
    enabled     boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE routes (
    id          uuid PRIMARY KEY,
    model_id    uuid NOT NULL REFERENCES models ON DELETE CASCADE,
    provider_id uuid NOT NULL REFERENCES providers,
    upstream_id text NOT NULL CHECK (upstream_id <> ''),
    weight      integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 1000000),
    priority    integer NOT NULL DEFAULT 0,
    enabled     boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model_id, provider_id, upstream_id)
);

CREATE INDEX routes_provider_id_idx ON routes (provider_id);
