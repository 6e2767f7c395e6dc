-- name: InsertProviderKey :one
INSERT INTO provider_keys (
    id, provider_id, label, hint, secret_key_id, secret_sealed, weight,
    max_qps, max_concurrency, requests_per_minute, tokens_per_minute
)
VALUES (
    @id, @provider_id, @label, @hint, @secret_key_id, @secret_sealed, @weight,
    sqlc.narg('max_qps'), sqlc.narg('max_concurrency'), sqlc.narg('requests_per_minute'), sqlc.narg('tokens_per_minute')
)
RETURNING *;

-- name: UpdateProviderKey :one
UPDATE provider_keys
SET label = @label,
    weight = @weight,
    max_qps = sqlc.narg('max_qps'),
    max_concurrency = sqlc.narg('max_concurrency'),
    requests_per_minute = sqlc.narg('requests_per_minute'),
    tokens_per_minute = sqlc.narg('tokens_per_minute'),
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: ProviderKeysByProvider :many
SELECT *
FROM provider_keys
WHERE provider_id = @provider_id
ORDER BY id
LIMIT @row_limit;

-- name: GetProviderKeyForUpdate :one
SELECT *
FROM provider_keys
WHERE id = @id
FOR UPDATE;

-- name: RotateProviderKey :one
UPDATE provider_keys
SET hint = @hint,
    secret_key_id = @secret_key_id,
    secret_sealed = @secret_sealed,
    disabled_reason = '',
    disabled_at = NULL,
    checks = 0,
    check_at = NULL,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DeleteProviderKey :exec
DELETE FROM provider_keys
WHERE id = @id;

-- name: DeleteProviderKeysOfProvider :exec
DELETE FROM provider_keys
WHERE provider_id = @provider_id;

-- name: ProviderKeysByProviders :many
SELECT *
FROM provider_keys
WHERE provider_id = ANY(@provider_ids::uuid[])
ORDER BY provider_id, id
LIMIT @row_limit;

-- By an admin: what the gateway found out is forgotten.
-- name: SetProviderKeyEnabled :one
UPDATE provider_keys
SET enabled = @enabled,
    disabled_reason = '',
    disabled_at = NULL,
    checks = 0,
    check_at = NULL,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- By the gateway. disabled_at stays that of the first time.
-- name: DisableProviderKey :one
UPDATE provider_keys
SET disabled_reason = @disabled_reason,
    disabled_at = coalesce(disabled_at, @now),
    checks = @checks,
    check_at = @check_at,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- checks stay, for one that dies again soon.
-- name: ReviveProviderKey :one
UPDATE provider_keys
SET disabled_reason = '',
    disabled_at = NULL,
    check_at = NULL,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DueProviderKeys :many
SELECT k.id
FROM provider_keys k
JOIN providers p ON p.id = k.provider_id
WHERE k.check_at <= @now
    AND k.enabled
    AND p.enabled
    AND p.deleted_at IS NULL
ORDER BY k.check_at
LIMIT @row_limit;

-- name: GetProviderKey :one
SELECT *
FROM provider_keys
WHERE id = @id;
