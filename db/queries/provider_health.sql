-- changed_at moves with the state only.
-- name: UpsertProviderHealth :one
INSERT INTO provider_health (provider_id, state, http_status, latency_us, error, checked_at, changed_at)
VALUES (@provider_id, @state, @http_status, @latency_us, @error, @checked_at, @checked_at)
ON CONFLICT (provider_id) DO UPDATE
SET state = excluded.state,
    http_status = excluded.http_status,
    latency_us = excluded.latency_us,
    error = excluded.error,
    checked_at = excluded.checked_at,
    changed_at = CASE
        WHEN provider_health.state = excluded.state THEN provider_health.changed_at
        ELSE excluded.checked_at
    END
RETURNING *;

-- name: ProviderHealthByIDs :many
SELECT *
FROM provider_health
WHERE provider_id = ANY(@provider_ids::uuid[])
ORDER BY provider_id
LIMIT @row_limit;
