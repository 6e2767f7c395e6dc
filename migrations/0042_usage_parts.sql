-- +goose Up

-- Defaults, so that the release before goes on booking. A constant default rewrites no partition.
ALTER TABLE requests ADD COLUMN image_input_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN image_output_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN tool_uses bigint NOT NULL DEFAULT 0;
