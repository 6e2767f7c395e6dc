-- name: InsertEgressPool :one
INSERT INTO egress_pools (id, name, choice, allow_direct, allow_hosts, list_host, list_plain, list_key_id, list_sealed)
VALUES (@id, @name, @choice, @allow_direct, @allow_hosts, @list_host, @list_plain, @list_key_id, @list_sealed)
RETURNING *;

-- name: UpdateEgressPool :one
UPDATE egress_pools
SET name = @name,
    choice = @choice,
    allow_direct = @allow_direct,
    allow_hosts = @allow_hosts,
    list_host = @list_host,
    list_plain = @list_plain,
    list_key_id = @list_key_id,
    list_sealed = @list_sealed,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DeleteEgressPool :exec
DELETE FROM egress_pools
WHERE id = @id;

-- name: GetEgressPool :one
SELECT *
FROM egress_pools
WHERE id = @id;

-- name: GetEgressPoolForUpdate :one
SELECT *
FROM egress_pools
WHERE id = @id
FOR UPDATE;

-- name: EgressPoolsByIDs :many
SELECT *
FROM egress_pools
WHERE id = ANY(@ids::uuid[])
ORDER BY id
LIMIT @row_limit;

-- name: UpsertEgressList :exec
INSERT INTO egress_lists (pool_id, error, fetched_at)
VALUES (@pool_id, @error, @fetched_at)
ON CONFLICT (pool_id) DO UPDATE
SET error = excluded.error,
    fetched_at = excluded.fetched_at;

-- name: DeleteEgressList :exec
DELETE FROM egress_lists
WHERE pool_id = @pool_id;

-- name: EgressListsByPools :many
SELECT *
FROM egress_lists
WHERE pool_id = ANY(@pool_ids::uuid[])
ORDER BY pool_id
LIMIT @row_limit;

-- What a check of the pool's proxies connects to.
-- name: ProvidersOfEgressPool :many
SELECT base_url, allow_private, allow_hosts, ca_certificate
FROM providers
WHERE egress_pool_id = @pool_id
    AND enabled
    AND deleted_at IS NULL
ORDER BY id
LIMIT @row_limit;
