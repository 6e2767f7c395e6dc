-- name: InsertRefreshToken :exec
INSERT INTO refresh_tokens (token_hash, session_id, created_at, expires_at)
VALUES (@token_hash, @session_id, @now, @expires_at);

-- Both rows are locked: of two tabs that come with the same token, the second sees what the first did.
-- name: GetRefreshTokenForUpdate :one
SELECT sqlc.embed(r), sqlc.embed(s), sqlc.embed(u)
FROM refresh_tokens r
JOIN sessions s ON s.id = r.session_id
JOIN users u ON u.id = s.user_id
WHERE r.token_hash = @token_hash
FOR UPDATE OF r, s;

-- name: UseRefreshToken :exec
UPDATE refresh_tokens
SET used_at = @now
WHERE token_hash = @token_hash;

-- name: DeleteExpiredRefreshTokens :execrows
DELETE FROM refresh_tokens
WHERE token_hash IN (
    SELECT old.token_hash
    FROM refresh_tokens old
    WHERE old.expires_at < @expired_before
    ORDER BY old.expires_at
    LIMIT @row_limit
);
