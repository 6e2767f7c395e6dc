-- name: InsertSession :exec
INSERT INTO sessions (id, user_id, user_agent, ip, created_at, last_seen_at, expires_at)
VALUES (@id, @user_id, @user_agent, @ip, @now, @now, @expires_at);

-- What a cookie or an access token stands for. The caller decides whether it still holds.
-- name: GetSessionWithUser :one
SELECT sqlc.embed(s), sqlc.embed(u)
FROM sessions s
JOIN users u ON u.id = s.user_id
WHERE s.id = @id;

-- name: GetSessionForUpdate :one
SELECT *
FROM sessions
WHERE id = @id
FOR UPDATE;

-- name: ActiveSessions :many
SELECT *
FROM sessions
WHERE user_id = @user_id
    AND revoked_at IS NULL
    AND expires_at > @now
    AND last_seen_at > @idle_since
ORDER BY last_seen_at DESC, id DESC
OFFSET @skip
LIMIT @row_limit;

-- name: ActiveSessionsByUsers :many
SELECT *
FROM sessions
WHERE user_id = ANY(@user_ids::uuid[])
    AND revoked_at IS NULL
    AND expires_at > @now
    AND last_seen_at > @idle_since
ORDER BY user_id, last_seen_at DESC, id DESC
LIMIT @row_limit;

-- name: TouchSession :exec
UPDATE sessions
SET last_seen_at = @now
WHERE id = @id
    AND last_seen_at < @now;

-- name: RevokeSession :exec
UPDATE sessions
SET revoked_at = @now
WHERE id = @id;

-- name: RevokeOtherSessions :exec
UPDATE sessions
SET revoked_at = @now
WHERE user_id = @user_id
    AND id <> @keep
    AND revoked_at IS NULL;

-- Refresh tokens go with their session.
-- name: DeleteEndedSessions :execrows
DELETE FROM sessions
WHERE id IN (
    SELECT old.id
    FROM sessions old
    WHERE least(old.revoked_at, old.expires_at) < @ended_before::timestamptz
        OR old.last_seen_at < @seen_before
    ORDER BY old.id
    LIMIT @row_limit
);
