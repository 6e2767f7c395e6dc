-- +goose Up

-- Amounts are nano-credits (1e-9 credit). balance is the sum of the account's entries, moved in the same transaction.
CREATE TABLE credit_accounts (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL UNIQUE REFERENCES users,
    balance    bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Append-only. The idempotency key makes a repeated grant, recharge or replayed charge book once.
CREATE TABLE credit_entries (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES credit_accounts,
    kind            text NOT NULL CHECK (kind IN ('grant', 'recharge', 'charge', 'adjustment')),
    amount          bigint NOT NULL,
    reason          text NOT NULL DEFAULT '',
    idempotency_key text NOT NULL,
    request_id      uuid,
    actor_id        uuid REFERENCES users,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, idempotency_key)
);

CREATE INDEX credit_entries_account_id_idx ON credit_entries (account_id, created_at DESC, id DESC);

-- The share of a balance that one node may spend without asking. A node is named by the id of its spool folder, so a
-- restarted node finds its own leases again. amount falls with each booked charge.
CREATE TABLE credit_leases (
    account_id uuid NOT NULL REFERENCES credit_accounts,
    node_id    uuid NOT NULL,
    amount     bigint NOT NULL CHECK (amount >= 0),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, node_id)
);

CREATE INDEX credit_leases_expires_at_idx ON credit_leases (expires_at);

CREATE TABLE recharge_rules (
    account_id uuid PRIMARY KEY REFERENCES credit_accounts,
    threshold  bigint NOT NULL,
    target     bigint NOT NULL CHECK (target > threshold),
    daily_cap  bigint NOT NULL CHECK (daily_cap > 0),
    enabled    boolean NOT NULL DEFAULT true,
    updated_at timestamptz NOT NULL DEFAULT now()
);
