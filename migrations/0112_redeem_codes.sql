-- +goose Up

-- Codes that give credit once, made in batches. A code is kept as SHA-256: it has 100 random bits, so a slow hash would add
-- nothing. Amounts are nano-credits.
ALTER TABLE credit_entries DROP CONSTRAINT credit_entries_kind_check;
ALTER TABLE credit_entries ADD CONSTRAINT credit_entries_kind_check
    CHECK (kind IN ('grant', 'recharge', 'charge', 'adjustment', 'refund', 'redeem')) NOT VALID;

CREATE TABLE redeem_batches (
    id         uuid PRIMARY KEY,
    label      text NOT NULL,
    amount     bigint NOT NULL CHECK (amount > 0),
    codes      integer NOT NULL CHECK (codes > 0),
    expires_at timestamptz,
    revoked_at timestamptz,
    created_by uuid REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE redeem_codes (
    hash        bytea PRIMARY KEY,
    batch_id    uuid NOT NULL REFERENCES redeem_batches,
    account_id  uuid REFERENCES credit_accounts,
    redeemed_at timestamptz
);

CREATE INDEX redeem_codes_batch_id_idx ON redeem_codes (batch_id);
