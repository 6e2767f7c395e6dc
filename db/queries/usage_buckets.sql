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

-- When hours and days were last folded; 1970 where they never were.

-- name: GetLastFold :one
SELECT coalesce(max(updated_at), 'epoch')::timestamptz AS folded_at
FROM usage_buckets
WHERE step_seconds = 3600;

-- A series of counts for each of the groups with most requests, and one for all others together, at a distance of
-- step. The histograms are given by the buckets that are not empty. Days, hours and minutes each serve the part of the range that is theirs.

-- name: ListUsageSeries :many
WITH source AS (
    SELECT
        date_bin(@step::interval, started_at, @from_time::timestamptz) AS at,
        CASE WHEN @by_user::boolean THEN user_id ELSE '00000000-0000-0000-0000-000000000000'::uuid END AS user_id,
        CASE WHEN @by_key::boolean THEN api_key_id ELSE '00000000-0000-0000-0000-000000000000'::uuid END AS api_key_id,
        CASE WHEN @by_provider::boolean THEN provider_id ELSE '00000000-0000-0000-0000-000000000000'::uuid END AS provider_id,
        CASE WHEN @by_model::boolean THEN model ELSE '' END AS model,
        requests, errors, refused, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
        reasoning_tokens, unpriced, charge, cost, duration_histogram, first_token_histogram
    FROM usage_buckets
    WHERE (
            step_seconds = 86400 AND started_at >= @from_time AND started_at < @days_end::timestamptz
            OR step_seconds = 3600 AND started_at >= @days_end AND started_at < @hours_end::timestamptz
            OR step_seconds = 60 AND started_at >= @hours_end AND started_at < @to_time::timestamptz
        )
        AND (sqlc.narg('owner')::uuid IS NULL OR usage_buckets.user_id = sqlc.narg('owner'))
        AND (sqlc.narg('user_id')::uuid IS NULL OR usage_buckets.user_id = sqlc.narg('user_id'))
        AND (sqlc.narg('api_key_id')::uuid IS NULL OR usage_buckets.api_key_id = sqlc.narg('api_key_id'))
        AND (sqlc.narg('provider_id')::uuid IS NULL OR usage_buckets.provider_id = sqlc.narg('provider_id'))
        AND (sqlc.narg('model')::text IS NULL OR usage_buckets.model = sqlc.narg('model'))
), ranked AS (
    SELECT user_id, api_key_id, provider_id, model,
        row_number() OVER (ORDER BY sum(requests) DESC, user_id, api_key_id, provider_id, model) AS place
    FROM source
    GROUP BY user_id, api_key_id, provider_id, model
), placed AS (
    SELECT s.*, CASE WHEN r.place <= @max_groups::integer THEN r.place ELSE 0 END AS place
    FROM source s
    JOIN ranked r USING (user_id, api_key_id, provider_id, model)
), counts AS (
    SELECT place, at, sum(requests)::bigint AS requests, sum(errors)::bigint AS errors, sum(refused)::bigint AS refused,
        sum(input_tokens)::bigint AS input_tokens, sum(cached_input_tokens)::bigint AS cached_input_tokens,
        sum(cache_write_tokens)::bigint AS cache_write_tokens, sum(output_tokens)::bigint AS output_tokens,
        sum(reasoning_tokens)::bigint AS reasoning_tokens, sum(unpriced)::bigint AS unpriced,
        sum(charge)::bigint AS charge, sum(cost)::bigint AS cost
    FROM placed
    GROUP BY place, at
), times AS (
    SELECT place, at, n, coalesce(sum(duration_histogram[n]), 0)::bigint AS d,
        coalesce(sum(first_token_histogram[n]), 0)::bigint AS f
    FROM placed
    CROSS JOIN LATERAL generate_series(1, greatest(cardinality(duration_histogram), cardinality(first_token_histogram))) AS n
    WHERE duration_histogram[n] > 0 OR first_token_histogram[n] > 0
    GROUP BY place, at, n
), histograms AS (
    SELECT place, at, array_agg(n - 1 ORDER BY n)::integer[] AS buckets, array_agg(d ORDER BY n)::bigint[] AS duration,
        array_agg(f ORDER BY n)::bigint[] AS first_token
    FROM times
    GROUP BY place, at
)
SELECT c.place::integer AS place, c.at::timestamptz AS at,
    coalesce(r.user_id, '00000000-0000-0000-0000-000000000000')::uuid AS user_id,
    coalesce(r.api_key_id, '00000000-0000-0000-0000-000000000000')::uuid AS api_key_id,
    coalesce(r.provider_id, '00000000-0000-0000-0000-000000000000')::uuid AS provider_id,
    coalesce(r.model, '')::text AS model,
    c.requests, c.errors, c.refused, c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens,
    c.reasoning_tokens, c.unpriced, c.charge, c.cost,
    coalesce(h.buckets, '{}')::integer[] AS buckets, coalesce(h.duration, '{}')::bigint[] AS duration,
    coalesce(h.first_token, '{}')::bigint[] AS first_token
FROM counts c
LEFT JOIN histograms h USING (place, at)
LEFT JOIN ranked r ON r.place = c.place
ORDER BY c.place, c.at
LIMIT @row_limit;

-- Recomputes the hours whose minutes changed since changed_since, each from all its minutes.

-- name: FoldHours :execrows
INSERT INTO usage_buckets (
    step_seconds, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram
)
SELECT 3600, h.hour, b.user_id, b.api_key_id, b.provider_id, b.model, sum(b.requests), sum(b.errors), sum(b.refused),
    sum(b.input_tokens), sum(b.cached_input_tokens), sum(b.cache_write_tokens), sum(b.output_tokens),
    sum(b.reasoning_tokens), sum(b.unpriced), sum(b.charge), sum(b.cost), histogram_sum(b.duration_histogram),
    histogram_sum(b.first_token_histogram)
FROM (
    SELECT DISTINCT date_trunc('hour', started_at, 'UTC') AS hour
    FROM usage_buckets
    WHERE step_seconds = 60
        AND updated_at >= @changed_since::timestamptz
        AND started_at >= @oldest::timestamptz
) AS h
JOIN usage_buckets b ON b.step_seconds = 60 AND b.started_at >= h.hour AND b.started_at < h.hour + interval '1 hour'
GROUP BY h.hour, b.user_id, b.api_key_id, b.provider_id, b.model
ORDER BY h.hour, b.api_key_id, b.provider_id, b.model
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
    updated_at = excluded.updated_at;

-- Recomputes the days whose hours changed since changed_since, each from all its hours.

-- name: FoldDays :execrows
INSERT INTO usage_buckets (
    step_seconds, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram
)
SELECT 86400, d.day, b.user_id, b.api_key_id, b.provider_id, b.model, sum(b.requests), sum(b.errors), sum(b.refused),
    sum(b.input_tokens), sum(b.cached_input_tokens), sum(b.cache_write_tokens), sum(b.output_tokens),
    sum(b.reasoning_tokens), sum(b.unpriced), sum(b.charge), sum(b.cost), histogram_sum(b.duration_histogram),
    histogram_sum(b.first_token_histogram)
FROM (
    SELECT DISTINCT date_trunc('day', started_at, 'UTC') AS day
    FROM usage_buckets
    WHERE step_seconds = 3600
        AND updated_at >= @changed_since::timestamptz
) AS d
JOIN usage_buckets b ON b.step_seconds = 3600 AND b.started_at >= d.day AND b.started_at < d.day + interval '1 day'
GROUP BY d.day, b.user_id, b.api_key_id, b.provider_id, b.model
ORDER BY d.day, b.api_key_id, b.provider_id, b.model
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
    updated_at = excluded.updated_at;

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
