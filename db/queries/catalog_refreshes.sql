-- name: GetCatalogRefresh :one
SELECT *
FROM catalog_refreshes
WHERE only_row;

-- Lets one reader at a time take over what it read.

-- name: LockCatalogRefresh :one
SELECT *
FROM catalog_refreshes
WHERE only_row
FOR UPDATE;

-- name: UpdateCatalogRefresh :one
UPDATE catalog_refreshes
SET source = @source,
    address_hash = @address_hash,
    etag = @etag,
    tried_at = @tried_at,
    read_at = sqlc.narg('read_at'),
    changed_at = sqlc.narg('changed_at'),
    error = @error,
    models = @models,
    changed = @changed,
    unpriced = @unpriced,
    left_out = @left_out,
    problems = @problems,
    repriced = @repriced
WHERE only_row
RETURNING *;

-- name: SetCatalogRepriced :one
UPDATE catalog_refreshes
SET repriced = @repriced
WHERE only_row
RETURNING *;
