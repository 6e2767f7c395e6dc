-- name: InsertEgressProxy :exec
INSERT INTO egress_proxies (id, pool_id, source, address, hint, url_key_id, url_sealed)
VALUES (@id, @pool_id, @source, @address, @hint, @url_key_id, @url_sealed);

-- name: DeleteEgressProxies :exec
DELETE FROM egress_proxies
WHERE pool_id = @pool_id
    AND id = ANY(@ids::uuid[]);

-- name: EgressProxiesByPools :many
SELECT sqlc.embed(p), c.healthy, c.latency_us, c.error, c.checked_at, c.changed_at
FROM egress_proxies p
LEFT JOIN egress_checks c ON c.proxy_id = p.id
WHERE p.pool_id = ANY(@pool_ids::uuid[])
ORDER BY p.pool_id, p.id
LIMIT @row_limit;

-- A proxy that was removed meanwhile has no check, and one that was checked later keeps what was seen then, unless
-- by a clock that was wrong. changed_at moves with the state only.
-- name: UpsertEgressCheck :exec
INSERT INTO egress_checks (proxy_id, healthy, latency_us, error, checked_at, changed_at)
SELECT p.id, @healthy, @latency_us, @error, @checked_at, @checked_at
FROM egress_proxies p
WHERE p.id = @proxy_id
ON CONFLICT (proxy_id) DO UPDATE
SET healthy = excluded.healthy,
    latency_us = excluded.latency_us,
    error = excluded.error,
    checked_at = excluded.checked_at,
    changed_at = CASE
        WHEN egress_checks.healthy = excluded.healthy THEN egress_checks.changed_at
        ELSE excluded.checked_at
    END
WHERE egress_checks.checked_at <= excluded.checked_at
    OR egress_checks.checked_at > now();
