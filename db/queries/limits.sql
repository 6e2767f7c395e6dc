-- name: GetLimitForUpdate :one
SELECT *
FROM limits
WHERE id = @id
FOR UPDATE;

-- name: InsertLimit :one
INSERT INTO limits (id, subject, subject_id, subject_name, each_user, dimension, limit_window, amount, redis_away)
VALUES (@id, @subject, @subject_id, @subject_name, @each_user, @dimension, @limit_window, @amount, @redis_away)
RETURNING *;

-- name: UpdateLimit :one
UPDATE limits
SET amount = @amount,
    redis_away = @redis_away,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DeleteLimit :exec
DELETE FROM limits
WHERE id = @id;

-- name: CountAllLimits :one
SELECT count(*)
FROM limits;

-- A key, a user or a provider by its id, or the latter two by what they are called.

-- name: FindLimitSubject :one
SELECT id::uuid AS id, name::text AS name
FROM (
    SELECT 'key' AS subject, id, name, '' AS known_as
    FROM api_keys
    WHERE revoked_at IS NULL
    UNION ALL
    SELECT 'user', id, email, lower(email)
    FROM users
    UNION ALL
    SELECT 'provider', id, slug, slug
    FROM providers
    WHERE deleted_at IS NULL
) AS named
WHERE subject = @subject::text
    AND (id = @id::uuid OR known_as = lower(@name::text) AND known_as <> '')
LIMIT 1;
