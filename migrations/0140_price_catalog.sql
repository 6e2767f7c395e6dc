-- +goose Up

-- What the price catalogue that is read from elsewhere said when it was last good, by its vendors. A model that it does not list
-- any more stays: a price that vanished would make calls free. rate is a pricing.Rate in US dollars. The data plane does not
-- read this: prices reach provider_models by discovery.
CREATE TABLE catalog_models (
    vendor            text NOT NULL,
    upstream_id       text NOT NULL,
    name              text NOT NULL,
    context_tokens    bigint NOT NULL,
    max_output_tokens bigint NOT NULL,
    capabilities      text[] NOT NULL,
    rate              jsonb NOT NULL,
    changed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (vendor, upstream_id)
);

COMMENT ON COLUMN catalog_models.context_tokens IS '0 is unknown, as for max_output_tokens; so is an empty list of capabilities.';

-- How reading it went, in one row. etag is of the address that address_hash is the hash of.
CREATE TABLE catalog_refreshes (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    source       text NOT NULL DEFAULT '',
    address_hash text NOT NULL DEFAULT '',
    etag         text NOT NULL DEFAULT '',
    tried_at     timestamptz,
    read_at      timestamptz,
    changed_at   timestamptz,
    error        text NOT NULL DEFAULT '',
    models       integer NOT NULL DEFAULT 0,
    changed      integer NOT NULL DEFAULT 0,
    unpriced     integer NOT NULL DEFAULT 0,
    left_out     integer NOT NULL DEFAULT 0,
    problems     text[] NOT NULL DEFAULT '{}',
    repriced     integer NOT NULL DEFAULT 0
);

INSERT INTO catalog_refreshes DEFAULT VALUES;
