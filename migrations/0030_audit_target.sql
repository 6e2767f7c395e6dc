-- +goose Up

-- The history of one thing is asked for on that thing's page.
CREATE INDEX audit_events_target_idx ON audit_events (target, at DESC, id DESC);
