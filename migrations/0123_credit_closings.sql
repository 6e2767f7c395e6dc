-- +goose Up

-- Entries of an account are numbered in the order in which they were committed, since each is inserted behind the account's
-- lock. Entries from before have no number. A default that is set afterwards does not rewrite the table.
CREATE SEQUENCE credit_entries_number;
ALTER TABLE credit_entries ADD COLUMN number bigint;
ALTER TABLE credit_entries ALTER COLUMN number SET DEFAULT nextval('credit_entries_number');
ALTER SEQUENCE credit_entries_number OWNED BY credit_entries.number;
CREATE INDEX credit_entries_number_idx ON credit_entries (account_id, number);

-- Append-only: an account's balance was the sum of its entries up to a number. Closings of an account are a chain without a
-- gap: each begins with the number and the balance that another ended with, and none has two successors.
CREATE TABLE credit_closings (
    account_id   uuid NOT NULL REFERENCES credit_accounts,
    number       bigint NOT NULL,
    balance      bigint NOT NULL,
    entries      bigint NOT NULL CHECK (entries > 0),
    since_number bigint,
    since        bigint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, number),
    UNIQUE (account_id, number, balance),
    UNIQUE NULLS NOT DISTINCT (account_id, since_number),
    FOREIGN KEY (account_id, since_number, since) REFERENCES credit_closings (account_id, number, balance),
    CHECK (since_number < number),
    CHECK (since_number IS NOT NULL OR since = 0)
);
