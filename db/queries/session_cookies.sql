-- name: GetSessionCookie :one
SELECT data
FROM session_cookies
WHERE token_hash = @token_hash
    AND expires_at > @now;

-- name: PutSessionCookie :exec
INSERT INTO session_cookies (token_hash, data, expires_at)
VALUES (@token_hash, @data, @expires_at)
ON CONFLICT (token_hash) DO UPDATE
SET data = EXCLUDED.data,
    expires_at = EXCLUDED.expires_at;

-- name: DeleteSessionCookie :exec
DELETE FROM session_cookies
WHERE token_hash = @token_hash;

-- name: DeleteExpiredSessionCookies :execrows
DELETE FROM session_cookies
WHERE token_hash IN (
    SELECT old.token_hash
    FROM session_cookies old
    WHERE old.expires_at < @expired_before
    ORDER BY old.expires_at
    LIMIT @row_limit
);
