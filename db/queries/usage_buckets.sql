-- Adds counts to the minutes they belong to. The rows come sorted by key, so that nodes lock them in one order.

-- name: AddUsageMinutes :exec
INSERT INTO usage_buckets (
    step_seconds, started_at, user_id, api_key_id, provider_id, model, requests, errors, refused, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost,
    duration_histogram, first_token_histogram, updated_at
)
SELECT
    60,
    unnest(@started_at::timestamptz[]),
    unnest(@user_ids::uuid[]),
    unnest(@api_key_ids::uuid[]),
    unnest(@provider_ids::uuid[]),
    unnest(@models::text[]),
    unnest(@requests::bigint[]),
    unnest(@errors::bigint[]),
    unnest(@refused::bigint[]),
    unnest(@input_tokens::bigint[]),
    unnest(@cached_input_tokens::bigint[]),
    unnest(@cache_write_tokens::bigint[]),
    unnest(@output_tokens::bigint[]),
    unnest(@reasoning_tokens::bigint[]),
    unnest(@unpriced::bigint[]),
    unnest(@charges::bigint[]),
    unnest(@costs::bigint[]),
    unnest(@duration_histograms::text[])::bigint[],
    unnest(@first_token_histograms::text[])::bigint[],
    clock_timestamp()
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
