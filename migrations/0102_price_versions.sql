-- +goose Up

-- Every price that was in force, by the hash of its content: what requests were billed by. Rows are never changed. rate is a
-- pricing.Rate, markup what was charged above it, in hundred-millionths.
CREATE TABLE price_versions (
    id            text PRIMARY KEY,
    rate          jsonb NOT NULL,
    markup        bigint NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now()
);

-- No default, so that no partition is rewritten; NULL where nothing was priced, and of requests from before.
ALTER TABLE requests ADD COLUMN price_version text;
