-- changed_at moves with the state only. What was seen later stays, unless by a clock that was wrong.
-- name: UpsertProviderHealth :one
INSERT INTO provider_health (provider_id, state, http_status, latency_us, error, checked_at, changed_at, source)
VALUES (@provider_id, @state, @http_status, @latency_us, @error, @checked_at, @checked_at, @source)
ON CONFLICT (provider_id) DO UPDATE
SET state = excluded.state,
    http_status = excluded.http_status,
    latency_us = excluded.latency_us,
    error = excluded.error,
    checked_at = excluded.checked_at,
    source = excluded.source,
    changed_at = CASE
        WHEN provider_health.state = excluded.state THEN provider_health.changed_at
        ELSE excluded.checked_at
    END
WHERE provider_health.checked_at <= excluded.checked_at
    OR provider_health.checked_at > now()
RETURNING *;

-- name: ProviderHealthByIDs :many
SELECT *
FROM provider_health
WHERE provider_id = ANY(@provider_ids::uuid[])
ORDER BY provider_id
LIMIT @row_limit;

-- Whether a call of any node's was answered by a provider since a moment, by the minute. One that its caller left counts as no
-- failure, so something must have been said too.
-- name: ProviderAnswered :one
SELECT EXISTS (
    SELECT
    FROM usage_buckets
    WHERE step_seconds = 60
        AND started_at >= @since
        AND provider_id = @provider_id
        AND requests > refused + errors
        AND output_tokens > 0
) AS answered;

-- name: GetProviderHealth :one
SELECT *
FROM provider_health
WHERE provider_id = @provider_id;
