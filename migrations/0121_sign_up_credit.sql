-- +goose Up

-- What every new account is given: one row, or none where nothing is. amount is in nano-credits.
CREATE TABLE sign_up_credit (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    amount     bigint NOT NULL CHECK (amount > 0),
    valid_days integer CHECK (valid_days > 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);
