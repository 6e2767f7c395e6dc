-- +goose Up

-- What a route has differently from the provider's model; NULL is as that has it. Prices are micro-credits per 1,000,000 tokens.
-- The triggers of 0008 name no columns of routes: every change reaches the nodes.
ALTER TABLE routes
    ADD COLUMN region             text NOT NULL DEFAULT '',
    ADD COLUMN capabilities       text[],
    ADD COLUMN context_tokens     bigint CHECK (context_tokens > 0),
    ADD COLUMN max_output_tokens  bigint CHECK (max_output_tokens > 0),
    ADD COLUMN input_price        bigint CHECK (input_price >= 0),
    ADD COLUMN cached_input_price bigint CHECK (cached_input_price >= 0),
    ADD COLUMN cache_write_price  bigint CHECK (cache_write_price >= 0),
    ADD COLUMN output_price       bigint CHECK (output_price >= 0);

COMMENT ON COLUMN routes.region IS 'A label for people: where the provider serves it from.';
COMMENT ON COLUMN routes.capabilities IS 'NULL is as the provider''s model has them; empty is none.';
