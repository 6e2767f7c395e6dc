-- +goose Up

ALTER TABLE api_keys
    ADD COLUMN strategy   text NOT NULL DEFAULT '' CHECK (strategy IN (
        '', 'latency', 'cost', 'reliability', 'balanced', 'weighted', 'priority', 'least_busy', 'round_robin'
    )),
    ADD COLUMN timeout_ms integer NOT NULL DEFAULT 0 CHECK (timeout_ms >= 0);

COMMENT ON COLUMN api_keys.strategy IS 'Goes before the model''s; empty is the model''s.';
COMMENT ON COLUMN api_keys.timeout_ms IS 'How long a call may take; 0 is as long as the gateway allows.';
