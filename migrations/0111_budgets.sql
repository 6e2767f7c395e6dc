-- +goose Up

-- What a key, and a user with all their keys, may spend in a day or a month of UTC. Amounts are nano-credits.
ALTER TABLE api_keys
    ADD COLUMN budget bigint CHECK (budget > 0),
    ADD COLUMN budget_window text NOT NULL DEFAULT 'month' CHECK (budget_window IN ('day', 'month'));
ALTER TABLE credit_accounts
    ADD COLUMN daily_budget bigint CHECK (daily_budget > 0),
    ADD COLUMN monthly_budget bigint CHECK (monthly_budget > 0);

CREATE TRIGGER credit_accounts_configuration AFTER UPDATE OF daily_budget, monthly_budget ON credit_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();

-- What is left of a budget is the balance of an account that nobody owns and that has no entries, so that nodes lease
-- shares of it as they do of credit. It is made at the first call of a window. owner_id is the id of a key or of a user.
-- told is the threshold in percent that its owner was last told of.
ALTER TABLE credit_accounts ALTER COLUMN user_id DROP NOT NULL;

CREATE TABLE budget_spends (
    owner_id      uuid NOT NULL,
    budget_window text NOT NULL CHECK (budget_window IN ('day', 'month')),
    starts_at     timestamptz NOT NULL,
    account_id    uuid NOT NULL UNIQUE REFERENCES credit_accounts,
    amount        bigint NOT NULL,
    told          integer NOT NULL DEFAULT 0,
    refused       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (owner_id, budget_window, starts_at)
);

CREATE INDEX budget_spends_starts_at_idx ON budget_spends (starts_at);
