-- What the data plane reads, whole tables at a time. The limit is a guard, not a page: the loader fails where it is met.

-- name: SnapshotKeys :many
SELECT k.id, k.user_id, k.name, k.hint, k.secret_hash, k.scopes, k.models, k.provider_ids, k.ip_ranges,
    k.requests_per_minute, k.tokens_per_minute, k.concurrency, k.budget, k.budget_window, k.strategy, k.timeout_ms, k.expires_at, u.role,
    a.id AS account_id, a.daily_budget, a.monthly_budget
FROM api_keys k
JOIN users u ON u.id = k.user_id
LEFT JOIN credit_accounts a ON a.user_id = k.user_id
WHERE k.revoked_at IS NULL
    AND u.disabled_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now())
ORDER BY k.id
LIMIT @row_limit;

-- name: SnapshotProviders :many
SELECT *
FROM providers
WHERE enabled AND deleted_at IS NULL
ORDER BY slug
LIMIT @row_limit;

-- Those that may not be used too: a provider that has only such is not one that needs no key.
-- name: SnapshotProviderKeys :many
SELECT k.*
FROM provider_keys k
JOIN providers p ON p.id = k.provider_id
WHERE p.enabled AND p.deleted_at IS NULL
ORDER BY k.id
LIMIT @row_limit;

-- name: SnapshotProviderModels :many
SELECT m.*
FROM provider_models m
JOIN providers p ON p.id = m.provider_id
WHERE p.enabled AND p.deleted_at IS NULL
ORDER BY m.provider_id, m.upstream_id
LIMIT @row_limit;

-- name: SnapshotModels :many
SELECT *
FROM models
ORDER BY name
LIMIT @row_limit;

-- name: SnapshotRoutes :many
SELECT *
FROM routes
WHERE enabled
ORDER BY model_id, priority, id
LIMIT @row_limit;

-- name: SnapshotAliases :many
SELECT *
FROM aliases
ORDER BY id
LIMIT @row_limit;

-- name: SnapshotLimits :many
SELECT *
FROM limits
ORDER BY id
LIMIT @row_limit;

-- name: SnapshotUsers :many
SELECT id, role
FROM users
WHERE disabled_at IS NULL
ORDER BY id
LIMIT @row_limit;

-- name: SnapshotRevokedSessions :many
SELECT id
FROM sessions
WHERE revoked_at > now() - make_interval(secs => @revoked_for_seconds)
ORDER BY id
LIMIT @row_limit;

-- name: SnapshotEgressPools :many
SELECT *
FROM egress_pools
ORDER BY id
LIMIT @row_limit;

-- name: SnapshotEgressProxies :many
SELECT p.id, p.pool_id, p.url_key_id, p.url_sealed, coalesce(c.healthy, true)::boolean AS healthy
FROM egress_proxies p
LEFT JOIN egress_checks c ON c.proxy_id = p.id
ORDER BY p.id
LIMIT @row_limit;
