-- +goose Up

-- charge = cost * providers.billing_factor * models.multiplier, both in ten-thousandths.
ALTER TABLE providers ADD COLUMN billing_factor integer NOT NULL DEFAULT 10000 CHECK (billing_factor BETWEEN 0 AND 1000000);
ALTER TABLE models ADD COLUMN multiplier integer NOT NULL DEFAULT 10000 CHECK (multiplier BETWEEN 0 AND 1000000);
