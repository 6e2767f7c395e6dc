-- +goose Up

-- How far each node's spool is booked. segment and position advance in the transaction that books what lies before them.
-- drained says that the node stopped with nothing left to book; only then may its leases be given back.
CREATE TABLE spool_cursors (
    node_id  uuid PRIMARY KEY,
    segment  bigint NOT NULL DEFAULT 0,
    position bigint NOT NULL DEFAULT 0,
    hostname text NOT NULL DEFAULT '',
    drained  boolean NOT NULL DEFAULT false,
    seen_at  timestamptz NOT NULL DEFAULT now()
);

-- One row per call that got past its key, in partitions by day. started_at comes from the event, so that a replay meets
-- its own primary key. charge and cost are nano-credits; NULL with unpriced set means nobody told us the price.
CREATE TABLE requests (
    id                  uuid NOT NULL,
    started_at          timestamptz NOT NULL,
    request_id          text NOT NULL,
    node_id             uuid NOT NULL,
    user_id             uuid NOT NULL,
    api_key_id          uuid NOT NULL,
    model               text NOT NULL,
    provider_id         uuid,
    upstream_model      text NOT NULL DEFAULT '',
    dialect             text NOT NULL,
    endpoint            text NOT NULL,
    streamed            boolean NOT NULL,
    http_status         integer NOT NULL,
    outcome             text NOT NULL CHECK (outcome IN ('OK', 'CLIENT_ERROR', 'UPSTREAM_ERROR', 'CANCELLED', 'TRUNCATED', 'REFUSED')),
    error_code          text NOT NULL DEFAULT '',
    attempts            jsonb NOT NULL DEFAULT '[]',
    duration_us         bigint NOT NULL,
    first_token_us      bigint,
    input_tokens        bigint NOT NULL DEFAULT 0,
    cached_input_tokens bigint NOT NULL DEFAULT 0,
    cache_write_tokens  bigint NOT NULL DEFAULT 0,
    output_tokens       bigint NOT NULL DEFAULT 0,
    reasoning_tokens    bigint NOT NULL DEFAULT 0,
    estimated           boolean NOT NULL DEFAULT false,
    unpriced            boolean NOT NULL DEFAULT false,
    charge              bigint,
    cost                bigint,
    tags                jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (started_at, id)
) PARTITION BY RANGE (started_at);

CREATE INDEX requests_user_id_idx ON requests (user_id, started_at DESC, id DESC);
CREATE INDEX requests_api_key_id_idx ON requests (api_key_id, started_at DESC, id DESC);

-- Catches events whose day has no partition yet or any more, so that nothing is refused at booking.
CREATE TABLE requests_default PARTITION OF requests DEFAULT;

-- Histograms are arrays of counts over boundaries fixed in the code (internal/usage), so that adding arrays merges them.
-- +goose StatementBegin
CREATE FUNCTION histogram_add(a bigint[], b bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT coalesce(array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY n), '{}')
        FROM unnest(a, b) WITH ORDINALITY AS t (x, y, n)
    );
-- +goose StatementEnd

CREATE AGGREGATE histogram_sum (bigint[]) (
    SFUNC = histogram_add,
    STYPE = bigint[],
    INITCOND = '{}',
    COMBINEFUNC = histogram_add,
    PARALLEL = SAFE
);

-- Counts per minute, and folded from those per hour and day: step_seconds is 60, 3600 or 86400.
-- provider_id is the nil UUID where no attempt was made.
CREATE TABLE usage_buckets (
    step_seconds        integer NOT NULL CHECK (step_seconds IN (60, 3600, 86400)),
    started_at          timestamptz NOT NULL,
    user_id             uuid NOT NULL,
    api_key_id          uuid NOT NULL,
    provider_id         uuid NOT NULL,
    model               text NOT NULL,
    requests            bigint NOT NULL,
    errors              bigint NOT NULL,
    refused             bigint NOT NULL,
    input_tokens        bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens  bigint NOT NULL,
    output_tokens       bigint NOT NULL,
    reasoning_tokens    bigint NOT NULL,
    unpriced            bigint NOT NULL,
    charge              bigint NOT NULL,
    cost                bigint NOT NULL,
    duration_histogram    bigint[] NOT NULL,
    first_token_histogram bigint[] NOT NULL,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (step_seconds, started_at, api_key_id, provider_id, model)
);

CREATE INDEX usage_buckets_updated_at_idx ON usage_buckets (step_seconds, updated_at);
