-- +goose Up

ALTER TABLE credit_entries DROP CONSTRAINT credit_entries_kind_check;
ALTER TABLE credit_entries ADD CONSTRAINT credit_entries_kind_check
    CHECK (kind IN ('grant', 'recharge', 'charge', 'adjustment', 'refund', 'redeem', 'expiry')) NOT VALID;

-- Granted credit that expires, a lot for each such entry. Amounts are nano-credits. left_over is what was left of it when the
-- account's lots were last written. What was spent since is the sum of left_over less the account's expiring, taken from
-- those that expire first: so a charge lowers one number, and no lot. expired is what has been taken back.
CREATE TABLE credit_lots (
    entry_id   uuid PRIMARY KEY REFERENCES credit_entries,
    account_id uuid NOT NULL REFERENCES credit_accounts,
    amount     bigint NOT NULL CHECK (amount > 0),
    left_over  bigint NOT NULL CHECK (left_over >= 0),
    expired    bigint NOT NULL DEFAULT 0 CHECK (expired >= 0),
    expires_at timestamptz NOT NULL,
    CHECK (left_over + expired <= amount)
);

CREATE INDEX credit_lots_account_id_idx ON credit_lots (account_id, expires_at, entry_id) WHERE left_over > 0;
CREATE INDEX credit_lots_expires_at_idx ON credit_lots (expires_at) WHERE left_over > 0;

ALTER TABLE credit_accounts ADD COLUMN expiring bigint NOT NULL DEFAULT 0 CHECK (expiring >= 0);

-- For how many days a redeemed code's credit is good; null is without end.
ALTER TABLE redeem_batches ADD COLUMN valid_days integer CHECK (valid_days > 0);
