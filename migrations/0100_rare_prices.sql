-- +goose Up

-- The prices that few models have, by their names in pricing.Rare: amounts and prices are decimal texts. The defaults let the
-- release before go on writing; the triggers of 0008 name no columns of these tables.
ALTER TABLE provider_models ADD COLUMN rare_prices jsonb NOT NULL DEFAULT '{}';
ALTER TABLE routes ADD COLUMN rare_prices jsonb NOT NULL DEFAULT '{}';

COMMENT ON COLUMN routes.rare_prices IS 'Empty is as the provider''s model has them.';
