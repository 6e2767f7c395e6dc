-- name: GetAlias :one
SELECT *
FROM aliases
WHERE id = @id;

-- name: GetAliasForUpdate :one
SELECT *
FROM aliases
WHERE id = @id
FOR UPDATE;

-- name: InsertAlias :one
INSERT INTO aliases (id, owner_id, pattern, target)
VALUES (@id, @owner_id, @pattern, @target)
RETURNING *;

-- name: UpdateAlias :one
UPDATE aliases
SET pattern = @pattern,
    target = @target,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DeleteAlias :exec
DELETE FROM aliases
WHERE id = @id;

-- name: CountAliasesOf :one
SELECT count(*)
FROM aliases
WHERE owner_id IS NOT DISTINCT FROM @owner_id;
