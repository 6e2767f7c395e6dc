-- name: RoutesByModelIDs :many
SELECT *
FROM routes
WHERE model_id = ANY(@model_ids::uuid[])
ORDER BY model_id, priority, id
LIMIT @row_limit;

-- A route keeps its id as long as the model leads to the same provider's same model.

-- name: UpsertRoute :exec
INSERT INTO routes (id, model_id, provider_id, upstream_id, weight, priority, enabled, region, capabilities, context_tokens,
    max_output_tokens, input_price, cached_input_price, cache_write_price, output_price, rare_prices)
VALUES (@id, @model_id, @provider_id, @upstream_id, @weight, @priority, @enabled, @region, @capabilities, @context_tokens,
    @max_output_tokens, @input_price, @cached_input_price, @cache_write_price, @output_price, @rare_prices)
ON CONFLICT (model_id, provider_id, upstream_id) DO UPDATE
SET weight = excluded.weight,
    priority = excluded.priority,
    enabled = excluded.enabled,
    region = excluded.region,
    capabilities = excluded.capabilities,
    context_tokens = excluded.context_tokens,
    max_output_tokens = excluded.max_output_tokens,
    input_price = excluded.input_price,
    cached_input_price = excluded.cached_input_price,
    cache_write_price = excluded.cache_write_price,
    output_price = excluded.output_price,
    rare_prices = excluded.rare_prices;

-- name: DeleteRoutes :exec
DELETE FROM routes
WHERE id = ANY(@ids::uuid[]);

-- name: DeleteRoutesOfProvider :many
DELETE FROM routes
WHERE provider_id = @provider_id
RETURNING model_id;

-- The lock keeps a provider from being deleted while a route to it is made.

-- name: LockLiveProviders :many
SELECT id
FROM providers
WHERE id = ANY(@ids::uuid[])
    AND deleted_at IS NULL
ORDER BY id
LIMIT 1000
FOR SHARE;
