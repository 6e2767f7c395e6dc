-- name: InsertModel :one
INSERT INTO models (id, name, description, strategy, enabled, unsupported)
VALUES (@id, @name, @description, @strategy, @enabled, @unsupported)
RETURNING *;

-- name: GetModel :one
SELECT *
FROM models
WHERE id = @id;

-- name: GetModelForUpdate :one
SELECT *
FROM models
WHERE id = @id
FOR UPDATE;

-- name: ModelsByIDs :many
SELECT *
FROM models
WHERE id = ANY(@ids::uuid[])
ORDER BY id
LIMIT @row_limit;

-- name: UpdateModel :one
UPDATE models
SET name = @name,
    description = @description,
    strategy = @strategy,
    enabled = @enabled,
    unsupported = @unsupported,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DeleteModel :execrows
DELETE FROM models
WHERE id = @id;
