-- Tells which of these requests are there.

-- name: WhichRequests :many
SELECT r.id::uuid AS id
FROM (
    SELECT unnest(@started_at::timestamptz[]) AS started_at,
        unnest(@ids::uuid[]) AS id
) AS k
JOIN requests r ON r.started_at = k.started_at
    AND r.id = k.id
WHERE r.started_at >= @from_time
    AND r.started_at <= @to_time;

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
