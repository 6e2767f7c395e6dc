-- +goose Up

ALTER TABLE models
    ADD COLUMN balance_latency double precision NOT NULL DEFAULT 1 CHECK (balance_latency BETWEEN 0 AND 1000),
    ADD COLUMN balance_price   double precision NOT NULL DEFAULT 1 CHECK (balance_price BETWEEN 0 AND 1000),
    ADD COLUMN balance_errors  double precision NOT NULL DEFAULT 10 CHECK (balance_errors BETWEEN 0 AND 1000),
    ADD COLUMN hedge           boolean NOT NULL DEFAULT false,
    ADD COLUMN retry_budget    integer NOT NULL DEFAULT 10 CHECK (retry_budget BETWEEN 0 AND 100),
    ADD COLUMN request_errors  text NOT NULL DEFAULT 'return' CHECK (request_errors IN ('return', 'failover'));

COMMENT ON COLUMN models.balance_latency IS 'How much being slow counts in the balanced strategy; price and errors likewise.';
COMMENT ON COLUMN models.hedge IS 'Ask a second target where the first takes longer than it usually does.';
COMMENT ON COLUMN models.retry_budget IS 'How many retries there may be for 100 calls.';
COMMENT ON COLUMN models.request_errors IS 'Where a provider refuses the request itself: the refusal is returned, or another provider tried.';
