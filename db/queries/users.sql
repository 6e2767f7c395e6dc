-- name: GetUser :one
SELECT *
FROM users
WHERE id = @id;

-- name: GetUserForUpdate :one
SELECT *
FROM users
WHERE id = @id
FOR UPDATE;

-- name: GetUserByEmail :one
SELECT *
FROM users
WHERE lower(email) = lower(@email::text);

-- name: UsersByIDs :many
SELECT *
FROM users
WHERE id = ANY(@ids::uuid[])
ORDER BY id
LIMIT @row_limit;

-- name: InsertUser :one
INSERT INTO users (id, email, name, role, password_hash)
VALUES (@id, @email, @name, @role, @password_hash)
RETURNING *;

-- name: UpdateUser :one
UPDATE users
SET name = @name,
    role = @role,
    disabled_at = @disabled_at,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: SetPasswordHash :execrows
UPDATE users
SET password_hash = @new_hash,
    updated_at = now()
WHERE id = @id
    AND password_hash = @old_hash;

-- Two are enough to know that one remains. Every caller locks the same two, and in the same order, so that two admins
-- cannot remove each other at once.
-- name: LockActiveAdmins :many
SELECT id
FROM users
WHERE role = 'admin'
    AND disabled_at IS NULL
ORDER BY id
LIMIT 2
FOR UPDATE;
