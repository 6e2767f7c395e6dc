-- +goose Up

-- Other names for models. Of one owner a pattern is there once; no owner is everybody.
CREATE TABLE aliases (
    id         uuid PRIMARY KEY,
    owner_id   uuid REFERENCES users,
    pattern    text NOT NULL CHECK (pattern <> ''),
    target     text NOT NULL CHECK (target <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX aliases_owner_pattern_key ON aliases (owner_id, pattern);
CREATE UNIQUE INDEX aliases_shared_pattern_key ON aliases (pattern) WHERE owner_id IS NULL;
CREATE INDEX aliases_pattern_idx ON aliases (pattern, id);

COMMENT ON COLUMN aliases.pattern IS 'The name that callers send; one * in it stands for anything.';
COMMENT ON COLUMN aliases.target IS 'The name that it stands for; a * in it is what that of the pattern stood for.';

CREATE TRIGGER aliases_configuration AFTER INSERT OR UPDATE OR DELETE ON aliases
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
