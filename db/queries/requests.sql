-- Inserts a batch of finished requests and tells which of them were new.

-- name: InsertRequests :many
INSERT INTO requests (
    id, started_at, request_id, node_id, user_id, api_key_id, model, provider_id, upstream_model, dialect, endpoint,
    streamed, http_status, outcome, error_code, attempts, duration_us, first_token_us, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, estimated, unpriced, charge, cost, tags
)
SELECT
    unnest(@ids::uuid[]),
    unnest(@started_at::timestamptz[]),
    unnest(@request_ids::text[]),
    @node_id::uuid,
    unnest(@user_ids::uuid[]),
    unnest(@api_key_ids::uuid[]),
    unnest(@models::text[]),
    nullif(unnest(@provider_ids::uuid[]), '00000000-0000-0000-0000-000000000000'),
    unnest(@upstream_models::text[]),
    unnest(@dialects::text[]),
    unnest(@endpoints::text[]),
    unnest(@streamed::boolean[]),
    unnest(@http_statuses::integer[]),
    unnest(@outcomes::text[]),
    unnest(@error_codes::text[]),
    unnest(@attempts::text[])::jsonb,
    unnest(@durations_us::bigint[]),
    nullif(unnest(@first_tokens_us::bigint[]), 0),
    unnest(@input_tokens::bigint[]),
    unnest(@cached_input_tokens::bigint[]),
    unnest(@cache_write_tokens::bigint[]),
    unnest(@output_tokens::bigint[]),
    unnest(@reasoning_tokens::bigint[]),
    unnest(@estimated::boolean[]),
    unnest(@unpriced::boolean[]),
    nullif(unnest(@charges::bigint[]), -1),
    nullif(unnest(@costs::bigint[]), -1),
    unnest(@tags::text[])::jsonb
ON CONFLICT (started_at, id) DO NOTHING
RETURNING id;

-- Finds a request by its identifier, which tells its time: the range leaves out all other days.

-- name: GetRequest :one
SELECT *
FROM requests
WHERE started_at >= @from_time
    AND started_at <= @to_time
    AND id = @id
    AND (sqlc.narg('owner')::uuid IS NULL OR user_id = sqlc.narg('owner'));

-- Removes what came too late for its day's partition, which had been dropped.

-- name: DeleteStrayRequests :execrows
DELETE FROM requests_default
WHERE ctid = ANY (ARRAY(
    SELECT d.ctid
    FROM requests_default d
    WHERE d.started_at < @before
    ORDER BY d.started_at
    LIMIT @row_limit
));
