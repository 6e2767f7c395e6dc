-- Inserts a batch of finished requests, a JSON array of objects with the columns as names, and tells which of them were
-- new. One parameter, since thirty arrays cost the booker more than all else it does.

-- name: InsertRequests :many
INSERT INTO requests (
    id, started_at, request_id, node_id, user_id, api_key_id, model, provider_id, upstream_model, dialect, endpoint,
    streamed, http_status, outcome, error_code, attempts, duration_us, first_token_us, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, estimated, unpriced, charge, cost, tags,
    image_input_tokens, image_output_tokens, tool_uses, plan, price_version, rare_usage
)
SELECT id, started_at, request_id, node_id, user_id, api_key_id, model, provider_id, upstream_model, dialect, endpoint,
    streamed, http_status, outcome, error_code, attempts, duration_us, first_token_us, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, estimated, unpriced, charge, cost, tags,
    image_input_tokens, image_output_tokens, tool_uses, plan, price_version, rare_usage
FROM json_populate_recordset(NULL::requests, @requests::json)
ON CONFLICT (started_at, id) DO NOTHING
RETURNING id;

-- When the oldest request started; now where there is none.

-- name: OldestRequest :one
SELECT coalesce(min(started_at), now())::timestamptz AS started_at
FROM requests;

-- Finds a request by its identifier, which tells its time: the range leaves out all other days.

-- name: GetRequest :one
SELECT *
FROM requests
WHERE started_at >= @from_time
    AND started_at <= @to_time
    AND id = @id
    AND (sqlc.narg('owner')::uuid IS NULL OR user_id = sqlc.narg('owner'));

-- name: GetRequestUser :one
SELECT user_id
FROM requests
WHERE started_at >= @from_time
    AND started_at <= @to_time
    AND id = @id;

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
