-- +goose Up

-- What the vendor's account of a key may do, beside max_qps; NULL is no limit. The release before does not hold keys to them.
ALTER TABLE provider_keys
    ADD COLUMN max_concurrency     integer CHECK (max_concurrency > 0),
    ADD COLUMN requests_per_minute integer CHECK (requests_per_minute > 0),
    ADD COLUMN tokens_per_minute   bigint CHECK (tokens_per_minute > 0);
