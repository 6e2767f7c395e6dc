-- Adds counts to the minutes they belong to, a JSON array of objects with the columns as names. The rows come sorted by
-- key, so that nodes lock them in one order.

-- name: AddUsageMinutes :exec
INSERT INTO usage_buckets (
    step_seconds, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram, updated_at
)
SELECT 60, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram, clock_timestamp()
FROM json_populate_recordset(NULL::usage_buckets, @minutes::json)
ON CONFLICT (step_seconds, started_at, api_key_id, provider_id, model) DO UPDATE
SET requests = usage_buckets.requests + excluded.requests,
    errors = usage_buckets.errors + excluded.errors,
    refused = usage_buckets.refused + excluded.refused,
    input_tokens = usage_buckets.input_tokens + excluded.input_tokens,
    cached_input_tokens = usage_buckets.cached_input_tokens + excluded.cached_input_tokens,
    cache_write_tokens = usage_buckets.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = usage_buckets.output_tokens + excluded.output_tokens,
    reasoning_tokens = usage_buckets.reasoning_tokens + excluded.reasoning_tokens,
    unpriced = usage_buckets.unpriced + excluded.unpriced,
    charge = usage_buckets.charge + excluded.charge,
    cost = usage_buckets.cost + excluded.cost,
    duration_histogram = histogram_add(usage_buckets.duration_histogram, excluded.duration_histogram),
    first_token_histogram = histogram_add(usage_buckets.first_token_histogram, excluded.first_token_histogram),
    updated_at = clock_timestamp();

-- Up to when minutes were folded; 1970 where they never were.

-- name: GetLastFold :one
SELECT coalesce(max(folded_at), 'epoch')::timestamptz AS folded_at
FROM usage_folds;

-- name: SetLastFold :exec
INSERT INTO usage_folds (folded_at)
VALUES (@folded_at)
ON CONFLICT (id) DO UPDATE
SET folded_at = excluded.folded_at;

-- The time by which rows are stamped.

-- name: Now :one
SELECT clock_timestamp()::timestamptz AS now;

-- The hours in which minutes changed, oldest first.

-- name: ChangedHours :many
SELECT DISTINCT date_trunc('hour', started_at, 'UTC')::timestamptz AS hour
FROM usage_buckets
WHERE step_seconds = 60
    AND updated_at >= @changed_since::timestamptz
    AND started_at >= @oldest::timestamptz
ORDER BY hour;

-- The hours before a time of days that have no sums, oldest first.

-- name: HoursWithoutSums :many
SELECT DISTINCT b.started_at
FROM usage_buckets b
WHERE b.step_seconds = 3600
    AND b.started_at < @before::timestamptz
    AND NOT EXISTS (
        SELECT 1
        FROM usage_sums s
        WHERE s.step_seconds = 86400
            AND s.dimension = 'all'
            AND s.started_at = date_trunc('day', b.started_at, 'UTC')
    )
ORDER BY b.started_at;

-- Puts hours or days in place, a JSON array of objects with the columns as names. Whatever changes in them comes with more requests,
-- so that those with as many are left alone.

-- name: SetUsageBuckets :exec
INSERT INTO usage_buckets (
    step_seconds, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram
)
SELECT @step_seconds, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram
FROM json_populate_recordset(NULL::usage_buckets, @buckets::json)
ON CONFLICT (step_seconds, started_at, api_key_id, provider_id, model) DO UPDATE
SET requests = excluded.requests,
    errors = excluded.errors,
    refused = excluded.refused,
    input_tokens = excluded.input_tokens,
    cached_input_tokens = excluded.cached_input_tokens,
    cache_write_tokens = excluded.cache_write_tokens,
    output_tokens = excluded.output_tokens,
    reasoning_tokens = excluded.reasoning_tokens,
    unpriced = excluded.unpriced,
    charge = excluded.charge,
    cost = excluded.cost,
    duration_histogram = excluded.duration_histogram,
    first_token_histogram = excluded.first_token_histogram,
    updated_at = excluded.updated_at
WHERE usage_buckets.requests <> excluded.requests;

-- The same for sums.

-- name: SetUsageSums :exec
INSERT INTO usage_sums (
    step_seconds, dimension, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram
)
SELECT @step_seconds, dimension, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram
FROM json_populate_recordset(NULL::usage_sums, @sums::json)
ON CONFLICT (step_seconds, dimension, started_at, user_id, api_key_id, provider_id, model) DO UPDATE
SET requests = excluded.requests,
    errors = excluded.errors,
    refused = excluded.refused,
    input_tokens = excluded.input_tokens,
    cached_input_tokens = excluded.cached_input_tokens,
    cache_write_tokens = excluded.cache_write_tokens,
    output_tokens = excluded.output_tokens,
    reasoning_tokens = excluded.reasoning_tokens,
    unpriced = excluded.unpriced,
    charge = excluded.charge,
    cost = excluded.cost,
    duration_histogram = excluded.duration_histogram,
    first_token_histogram = excluded.first_token_histogram
WHERE usage_sums.requests <> excluded.requests;

-- Of one dimension, so that the primary key leads to what is old and not past all there is.

-- name: DeleteUsageSums :execrows
DELETE FROM usage_sums s
USING (
    SELECT o.started_at, o.user_id, o.api_key_id, o.provider_id, o.model
    FROM usage_sums o
    WHERE o.step_seconds = @step_seconds
        AND o.dimension = @dimension
        AND o.started_at < @before
    LIMIT @row_limit
) AS old
WHERE s.step_seconds = @step_seconds
    AND s.dimension = @dimension
    AND s.started_at = old.started_at
    AND s.user_id = old.user_id
    AND s.api_key_id = old.api_key_id
    AND s.provider_id = old.provider_id
    AND s.model = old.model;

-- name: DeleteUsageBuckets :execrows
DELETE FROM usage_buckets b
USING (
    SELECT started_at, api_key_id, provider_id, model
    FROM usage_buckets o
    WHERE o.step_seconds = @step_seconds
        AND o.started_at < @before
    ORDER BY o.started_at
    LIMIT @row_limit
) AS old
WHERE b.step_seconds = @step_seconds
    AND b.started_at = old.started_at
    AND b.api_key_id = old.api_key_id
    AND b.provider_id = old.provider_id
    AND b.model = old.model;

-- Lets one fold run at a time.

-- name: LockFold :exec
SELECT pg_advisory_xact_lock(73770011);
