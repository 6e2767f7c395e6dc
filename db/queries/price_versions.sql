-- Writes down prices, a JSON array of objects with the columns as names. Those that are there stay as they are.

-- name: InsertPriceVersions :exec
INSERT INTO price_versions (id, rate, markup)
SELECT p.id, p.rate, p.markup
FROM json_to_recordset(@versions::json) AS p (id text, rate jsonb, markup bigint)
ORDER BY p.id
ON CONFLICT (id) DO NOTHING;

-- name: PriceVersionsByIDs :many
SELECT *
FROM price_versions
WHERE id = ANY(@ids::text[])
ORDER BY id
LIMIT @row_limit;
