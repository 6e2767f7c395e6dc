-- name: StartSpoolCursor :one
INSERT INTO spool_cursors (node_id, hostname)
VALUES (@node_id, @hostname)
ON CONFLICT (node_id) DO UPDATE
SET hostname = excluded.hostname,
    drained = false,
    seen_at = now()
RETURNING *;

-- name: GetSpoolCursor :one
SELECT *
FROM spool_cursors
WHERE node_id = @node_id;

-- Moves the cursor from where the caller believes it to be. No row: it is elsewhere.

-- name: AdvanceSpoolCursor :execrows
UPDATE spool_cursors
SET segment = @segment,
    position = @position,
    drained = @drained,
    seen_at = now()
WHERE node_id = @node_id
    AND segment = @from_segment
    AND position = @from_position;
