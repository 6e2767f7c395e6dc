-- name: GetApiKey :one
SELECT *
FROM api_keys
WHERE id = @id;

-- name: GetApiKeyForUpdate :one
SELECT *
FROM api_keys
WHERE id = @id
FOR UPDATE;

-- name: ApiKeysByIDs :many
SELECT *
FROM api_keys
WHERE id = ANY(@ids::uuid[])
    AND (sqlc.narg('user_id')::uuid IS NULL OR user_id = sqlc.narg('user_id')::uuid)
ORDER BY id
LIMIT @row_limit;

-- name: InsertApiKey :one
INSERT INTO api_keys (id, user_id, name, hint, secret_hash, scopes, models, provider_ids, ip_ranges,
    requests_per_minute, tokens_per_minute, concurrency, budget, budget_window, strategy, timeout_ms, expires_at)
VALUES (@id, @user_id, @name, @hint, @secret_hash, @scopes, @models, @provider_ids, @ip_ranges,
    @requests_per_minute, @tokens_per_minute, @concurrency, @budget, @budget_window, @strategy, @timeout_ms, @expires_at)
RETURNING *;

-- name: UpdateApiKey :one
UPDATE api_keys
SET name = @name,
    models = @models,
    provider_ids = @provider_ids,
    ip_ranges = @ip_ranges,
    requests_per_minute = @requests_per_minute,
    tokens_per_minute = @tokens_per_minute,
    concurrency = @concurrency,
    budget = @budget,
    budget_window = @budget_window,
    strategy = @strategy,
    timeout_ms = @timeout_ms,
    expires_at = @expires_at,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: RevokeApiKey :one
UPDATE api_keys
SET revoked_at = now(),
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: CountActiveApiKeys :one
SELECT count(*)
FROM api_keys
WHERE user_id = @user_id
    AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > now());

-- What a user's keys may be bound to: the same providers that the data plane lets them reach.
-- name: CountVisibleProviders :one
SELECT count(*)
FROM providers
WHERE id = ANY(@ids::uuid[])
    AND deleted_at IS NULL
    AND (visibility = 'public' OR owner_id = @user_id::uuid);
