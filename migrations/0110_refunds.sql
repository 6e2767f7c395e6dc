-- +goose Up

-- A refund gives back what a request was charged, as an entry of its own with the request's id.
ALTER TABLE credit_entries DROP CONSTRAINT credit_entries_kind_check;
ALTER TABLE credit_entries ADD CONSTRAINT credit_entries_kind_check
    CHECK (kind IN ('grant', 'recharge', 'charge', 'adjustment', 'refund')) NOT VALID;
