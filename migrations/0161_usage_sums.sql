-- +goose Up

-- Counts of usage_buckets summed up by what charts are cut by, so that a chart reads some rows a step and not every key's with
-- every model. A column that the dimension does not have is the nil UUID or empty. Folded from the minutes: step_seconds is 900,
-- 3600 or 86400.
CREATE TABLE usage_sums (
    step_seconds        integer NOT NULL CHECK (step_seconds IN (900, 3600, 86400)),
    dimension           text NOT NULL CHECK (dimension IN ('all', 'user', 'key', 'provider', 'model', 'user_provider', 'user_model')),
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
    PRIMARY KEY (step_seconds, dimension, started_at, user_id, api_key_id, provider_id, model)
);

CREATE INDEX usage_sums_user_id_idx ON usage_sums (user_id, step_seconds, dimension, started_at);
CREATE INDEX usage_sums_api_key_id_idx ON usage_sums (api_key_id, step_seconds, started_at) WHERE dimension = 'key';

-- Up to when minutes were folded; no row where they never were.
CREATE TABLE usage_folds (
    id        boolean PRIMARY KEY DEFAULT true CHECK (id),
    folded_at timestamptz NOT NULL
);
