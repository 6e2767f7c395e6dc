-- The balance of a user's account now, and how much of it came since two times.

-- name: GetStatementBalance :one
SELECT a.id, a.balance,
    (
        SELECT coalesce(sum(e.amount), 0)
        FROM credit_entries e
        WHERE e.account_id = a.id
            AND e.created_at >= @from_time
    )::bigint AS since_from,
    (
        SELECT coalesce(sum(e.amount), 0)
        FROM credit_entries e
        WHERE e.account_id = a.id
            AND e.created_at >= @to_time
    )::bigint AS since_to
FROM credit_accounts a
WHERE a.user_id = @user_id;

-- What moved the accounts of users, or of one, in a range of time.

-- name: ListMovements :many
SELECT e.kind, count(*) AS entries, sum(e.amount)::bigint AS amount
FROM credit_accounts a
JOIN credit_entries e ON e.account_id = a.id
WHERE a.user_id IS NOT NULL
    AND (sqlc.narg('user_id')::uuid IS NULL OR a.user_id = sqlc.narg('user_id'))
    AND e.created_at >= @from_time
    AND e.created_at < @to_time
GROUP BY e.kind
ORDER BY e.kind
LIMIT @row_limit;
