-- name: InsertProviderModel :one
INSERT INTO provider_models (
    id, provider_id, upstream_id, alias, capabilities, context_tokens, max_output_tokens,
    input_price, cached_input_price, cache_write_price, output_price, price_source, source, capabilities_source,
    rare_prices
)
VALUES (
    @id, @provider_id, @upstream_id, @alias, @capabilities, sqlc.narg('context_tokens'), sqlc.narg('max_output_tokens'),
    sqlc.narg('input_price'), sqlc.narg('cached_input_price'), sqlc.narg('cache_write_price'), sqlc.narg('output_price'),
    @price_source, @source, @capabilities_source, @rare_prices
)
RETURNING *;

-- name: ProviderModelsByProvider :many
SELECT *
FROM provider_models
WHERE provider_id = @provider_id
ORDER BY upstream_id
LIMIT @row_limit;

-- name: GetProviderModelForUpdate :one
SELECT *
FROM provider_models
WHERE id = @id
FOR UPDATE;

-- name: UpdateProviderModel :one
UPDATE provider_models
SET alias = @alias,
    capabilities = @capabilities,
    capabilities_source = @capabilities_source,
    context_tokens = sqlc.narg('context_tokens'),
    max_output_tokens = sqlc.narg('max_output_tokens'),
    input_price = sqlc.narg('input_price'),
    cached_input_price = sqlc.narg('cached_input_price'),
    cache_write_price = sqlc.narg('cache_write_price'),
    output_price = sqlc.narg('output_price'),
    rare_prices = @rare_prices,
    price_source = @price_source,
    source = @source,
    enabled = @enabled,
    missing_since = sqlc.narg('missing_since'),
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DeleteProviderModel :exec
DELETE FROM provider_models
WHERE id = @id;

-- name: FindProviderModelForUpdate :one
SELECT *
FROM provider_models
WHERE provider_id = @provider_id
    AND upstream_id = @upstream_id
FOR UPDATE;

-- name: ProviderModelsByProviders :many
SELECT *
FROM provider_models
WHERE provider_id = ANY(@provider_ids::uuid[])
ORDER BY provider_id, upstream_id
LIMIT @row_limit;

-- Whether a model was set up: a provider's list or a route has it.
-- name: ProviderModelKnown :one
SELECT EXISTS (
    SELECT
    FROM provider_models AS m
    WHERE m.provider_id = @provider_id
        AND m.upstream_id = @upstream_id
    UNION ALL
    SELECT
    FROM routes AS r
    WHERE r.provider_id = @provider_id
        AND r.upstream_id = @upstream_id
) AS known;

-- Models in use whose price for input or output nobody told, and routes to what no provider lists. What only routes have a
-- price for counts too: it is called by slug/model.

-- name: ListUnpricedModels :many
SELECT p.id AS provider_id, p.slug, m.upstream_id, m.id AS model_id, ''::text AS route_of
FROM provider_models AS m
JOIN providers AS p ON p.id = m.provider_id
WHERE p.enabled
    AND p.deleted_at IS NULL
    AND m.enabled
    AND m.missing_since IS NULL
    AND (m.input_price IS NULL OR m.output_price IS NULL)
    AND (sqlc.narg('visible_to')::uuid IS NULL OR p.visibility = 'public' OR p.owner_id = sqlc.narg('visible_to'))
UNION ALL
SELECT p.id, p.slug, r.upstream_id, '00000000-0000-0000-0000-000000000000'::uuid, l.name
FROM routes AS r
JOIN models AS l ON l.id = r.model_id
JOIN providers AS p ON p.id = r.provider_id
WHERE p.enabled
    AND p.deleted_at IS NULL
    AND r.enabled
    AND l.enabled
    AND (r.input_price IS NULL OR r.output_price IS NULL)
    AND NOT EXISTS (
        SELECT
        FROM provider_models AS m
        WHERE m.provider_id = r.provider_id
            AND m.upstream_id = r.upstream_id
    )
    AND (sqlc.narg('visible_to')::uuid IS NULL OR p.visibility = 'public' OR p.owner_id = sqlc.narg('visible_to'))
ORDER BY slug, upstream_id, route_of
LIMIT @row_limit;
