-- +goose Up

-- A key that its vendor refuses is taken out of use by the gateway, apart from the admin's own enabled. The release before
-- goes on using such a key. The trigger of 0008 names no columns: every change of a row reaches the nodes.
ALTER TABLE provider_keys ADD COLUMN disabled_reason text NOT NULL DEFAULT '' CHECK (disabled_reason IN ('', 'refused', 'quota'));
ALTER TABLE provider_keys ADD COLUMN disabled_at timestamptz;
ALTER TABLE provider_keys ADD COLUMN checks integer NOT NULL DEFAULT 0;
ALTER TABLE provider_keys ADD COLUMN check_at timestamptz;
ALTER TABLE provider_keys ADD CONSTRAINT provider_keys_disabled_check CHECK (
    (disabled_reason = '') = (disabled_at IS NULL) AND (disabled_reason = '') = (check_at IS NULL)
);

COMMENT ON COLUMN provider_keys.checks IS 'How often a disabled key was tried in vain: each doubles the time until check_at.';

CREATE INDEX provider_keys_check_at_idx ON provider_keys (check_at) WHERE check_at IS NOT NULL;

-- Live traffic tells of a provider's health as well as probes do.
ALTER TABLE provider_health ADD COLUMN source text NOT NULL DEFAULT 'probe' CHECK (source IN ('probe', 'traffic'));
