-- +goose Up

-- What few requests use and some are charged by, by the names of usage.rareUsage; NULL is none of it. No default, so that no
-- partition is rewritten.
ALTER TABLE requests ADD COLUMN rare_usage jsonb;

COMMENT ON COLUMN requests.rare_usage IS 'cache_write_1h is part of cache_write_tokens; NULL in rows from before this column, whatever they used.';
