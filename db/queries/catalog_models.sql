-- name: CatalogModelsByVendor :many
SELECT *
FROM catalog_models
WHERE vendor = @vendor
ORDER BY upstream_id
LIMIT @row_limit;

-- name: CatalogModels :many
SELECT *
FROM catalog_models
ORDER BY vendor, upstream_id
LIMIT @row_limit;

-- Takes models over, a JSON array of objects with the columns as names.

-- name: UpsertCatalogModels :exec
INSERT INTO catalog_models (vendor, upstream_id, name, context_tokens, max_output_tokens, capabilities, rate)
SELECT vendor, upstream_id, name, context_tokens, max_output_tokens, capabilities, rate
FROM json_populate_recordset(NULL::catalog_models, @models::json)
ON CONFLICT (vendor, upstream_id) DO UPDATE
SET name = EXCLUDED.name,
    context_tokens = EXCLUDED.context_tokens,
    max_output_tokens = EXCLUDED.max_output_tokens,
    capabilities = EXCLUDED.capabilities,
    rate = EXCLUDED.rate,
    changed_at = now();
