-- +goose Up

-- A rule that recharges as no person would is paused until an admin resumes it.
ALTER TABLE recharge_rules
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN pause_reason text CHECK (pause_reason IN ('pace', 'cap'));

CREATE INDEX credit_entries_recharge_idx ON credit_entries (account_id, created_at) WHERE kind = 'recharge';
