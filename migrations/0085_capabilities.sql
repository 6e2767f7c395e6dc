-- +goose Up

-- Where a model's capabilities were told. Rows from before say nothing of it, so that nothing counts as lacking of them. The
-- default lets the release before go on inserting; the triggers of 0008 name no columns of this table.
ALTER TABLE provider_models ADD COLUMN capabilities_source text NOT NULL DEFAULT '' CHECK (capabilities_source IN ('', 'manual', 'catalog'));

COMMENT ON COLUMN provider_models.capabilities_source IS 'manual: the whole list, and all else is lacking. catalog: the catalogue, which knows of few capabilities. Empty: nobody knows what else there is.';

-- A request's plan in brief. No default, so that no partition is rewritten; NULL where there was nothing to choose.
ALTER TABLE requests ADD COLUMN plan jsonb;

COMMENT ON COLUMN requests.plan IS 'The strategy, the first candidates and what was left out, with its reason: see usage.Plan.';
