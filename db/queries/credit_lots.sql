-- name: InsertCreditLot :exec
INSERT INTO credit_lots (entry_id, account_id, amount, left_over, expires_at)
VALUES (@entry_id, @account_id, @amount, @left_over, @expires_at);

-- name: AddToExpiring :exec
UPDATE credit_accounts
SET expiring = expiring + @amount
WHERE id = @id;

-- name: GetCreditLotEnd :one
SELECT expires_at
FROM credit_lots
WHERE entry_id = @entry_id;

-- The lots of an account that something was left of when they were last written, in the order in which they expire, with
-- what is left of all now.

-- name: ListCreditLots :many
SELECT sqlc.embed(l), e.kind, e.reason, e.created_at, a.expiring,
    (l.expires_at <= now())::boolean AS due,
    (l.expires_at <= now() - @grace::interval)::boolean AS overdue
FROM credit_lots l
JOIN credit_entries e ON e.id = l.entry_id
JOIN credit_accounts a ON a.id = l.account_id
WHERE l.account_id = @account_id
    AND l.left_over > 0
ORDER BY l.expires_at, l.entry_id
LIMIT @row_limit;

-- name: SetCreditLots :exec
UPDATE credit_lots l
SET left_over = s.left_over,
    expired = s.expired
FROM (
    SELECT unnest(@entry_ids::uuid[]) AS entry_id,
        unnest(@left_over::bigint[]) AS left_over,
        unnest(@expired::bigint[]) AS expired
) AS s
WHERE l.entry_id = s.entry_id;

-- name: ListExpiriesDue :many
SELECT DISTINCT account_id
FROM credit_lots
WHERE left_over > 0
    AND expires_at <= now()
    AND account_id > @after
ORDER BY account_id
LIMIT @row_limit;

-- The accounts with something that expires soon, and whose they are.

-- name: ListExpiringSoon :many
SELECT DISTINCT l.account_id, a.user_id::uuid AS user_id
FROM credit_lots l
JOIN credit_accounts a ON a.id = l.account_id
WHERE l.left_over > 0
    AND l.expires_at > now()
    AND l.expires_at <= now() + @within::interval
    AND l.account_id > @after
    AND a.user_id IS NOT NULL
ORDER BY l.account_id
LIMIT @row_limit;
