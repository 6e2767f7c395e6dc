-- +goose Up

-- New columns have defaults, so that the release before goes on inserting. The triggers of 0008 name no columns of these two
-- tables: every change of a row reaches the nodes.
ALTER TABLE providers DROP CONSTRAINT providers_kind_check;
ALTER TABLE providers ADD CONSTRAINT providers_kind_check CHECK (kind IN ('direct', 'vertex', 'claude_cli'));
ALTER TABLE providers ADD COLUMN paths jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(paths) = 'object');
ALTER TABLE providers ADD COLUMN streaming text NOT NULL DEFAULT '' CHECK (streaming IN ('', 'only', 'never'));

COMMENT ON COLUMN providers.paths IS 'Paths of its own behind the base URL, by operation; {model} stands for the model.';
COMMENT ON COLUMN providers.streaming IS 'An upstream that answers in one form alone: with streams only, or never.';

ALTER TABLE models ADD COLUMN unsupported text NOT NULL DEFAULT 'drop' CHECK (unsupported IN ('drop', 'reject', 'keep'));

COMMENT ON COLUMN models.unsupported IS 'What becomes of what a target cannot take: left out and named, refused, or unknown fields passed on.';
