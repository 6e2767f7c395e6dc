-- name: GetBudgetSpend :one
SELECT account_id
FROM budget_spends
WHERE owner_id = @owner_id
    AND budget_window = @budget_window
    AND starts_at = @starts_at;

-- Opens the window of a budget with all of its amount left, unless it has been or there is no such budget. The rows that
-- hold the amount are locked, so that one that is being changed is not taken as it was.

-- name: OpenBudgetSpend :exec
WITH of_key AS (
    SELECT k.budget AS amount
    FROM api_keys k
    WHERE k.id = @owner_id::uuid
        AND k.budget_window = @budget_window::text
    FOR SHARE
), of_user AS (
    SELECT CASE @budget_window::text WHEN 'day' THEN a.daily_budget ELSE a.monthly_budget END AS amount
    FROM credit_accounts a
    WHERE a.user_id = @owner_id::uuid
    FOR SHARE
), of_limit AS (
    SELECT l.amount
    FROM limits l
    WHERE l.id = sqlc.narg('limit_id')::uuid
        AND l.dimension = 'spend'
        AND l.limit_window = @budget_window::text
    FOR SHARE
), opened AS (
    INSERT INTO budget_spends (owner_id, budget_window, starts_at, account_id, amount, limit_id)
    SELECT @owner_id::uuid, @budget_window::text, @starts_at::timestamptz, @account_id::uuid, b.amount, sqlc.narg('limit_id')::uuid
    FROM (
        SELECT amount
        FROM of_key
        UNION ALL
        SELECT amount
        FROM of_user
        UNION ALL
        SELECT amount
        FROM of_limit
    ) AS b
    WHERE b.amount IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING account_id, amount
)
INSERT INTO credit_accounts (id, balance)
SELECT account_id, amount
FROM opened;

-- Lets what is left of the current window follow a budget that has another amount now; of a limit, all that it is for. They
-- are locked in the order in which charges lock them.

-- name: ChangeBudgetSpend :exec
WITH changed AS (
    SELECT b.account_id, b.amount, @amount::bigint AS wanted
    FROM budget_spends b
    JOIN credit_accounts l ON l.id = b.account_id
    WHERE (b.owner_id = @owner_id::uuid OR b.limit_id = @owner_id::uuid)
        AND b.budget_window = @budget_window::text
        AND b.starts_at = date_trunc(b.budget_window, now(), 'UTC')
    ORDER BY b.account_id
    FOR NO KEY UPDATE
), spend AS (
    UPDATE budget_spends s
    SET amount = c.wanted,
        told = 0,
        refused = false
    FROM changed c
    WHERE s.account_id = c.account_id
        AND c.amount <> c.wanted
)
UPDATE credit_accounts a
SET balance = a.balance + c.wanted - c.amount,
    updated_at = now()
FROM changed c
WHERE a.id = c.account_id;

-- What has been booked of the current windows.

-- name: ListBudgetSpends :many
SELECT s.owner_id, s.budget_window, (s.amount - a.balance)::bigint AS spent
FROM budget_spends s
JOIN credit_accounts a ON a.id = s.account_id
WHERE s.owner_id = ANY(@owner_ids::uuid[])
    AND s.starts_at = date_trunc(s.budget_window, now(), 'UTC')
ORDER BY s.owner_id, s.budget_window
LIMIT @row_limit;

-- name: NoteBudgetRefusal :exec
UPDATE budget_spends
SET refused = true
WHERE account_id = @account_id
    AND NOT refused;

-- The budgets in the current windows that have passed a threshold which nobody was told of: of users, of keys, and of limits
-- that are there and that not each user has.

-- name: ListBudgetAlerts :many
SELECT s.account_id, s.budget_window, s.amount, (s.amount - a.balance)::bigint AS spent, t.threshold,
    coalesce(k.user_id, s.owner_id)::uuid AS told_user, coalesce(k.name, '') AS key_name, k.id AS key_id,
    coalesce(m.subject, '') AS limit_subject, coalesce(lk.name, lu.email, lp.slug, m.subject_name, '')::text AS limit_label, s.limit_id
FROM budget_spends s
JOIN credit_accounts a ON a.id = s.account_id
LEFT JOIN api_keys k ON k.id = s.owner_id
LEFT JOIN limits m ON m.id = s.limit_id
    AND NOT m.each_user
LEFT JOIN api_keys lk ON m.subject = 'key'
    AND lk.id = m.subject_id
LEFT JOIN users lu ON m.subject = 'user'
    AND lu.id = m.subject_id
LEFT JOIN providers lp ON m.subject = 'provider'
    AND lp.id = m.subject_id
CROSS JOIN LATERAL (
    SELECT (
        CASE
            WHEN s.refused OR a.balance <= 0 THEN 100
            WHEN a.balance <= s.amount / 5 THEN 80
            WHEN a.balance <= s.amount / 2 THEN 50
            ELSE 0
        END
    )::integer AS threshold
) AS t
WHERE s.starts_at >= date_trunc('month', now(), 'UTC')
    AND s.starts_at = date_trunc(s.budget_window, now(), 'UTC')
    AND t.threshold > s.told
    AND (s.limit_id IS NULL OR m.id IS NOT NULL)
ORDER BY s.account_id
LIMIT @row_limit
FOR UPDATE OF s SKIP LOCKED;

-- name: NoteBudgetTold :exec
UPDATE budget_spends
SET told = @told
WHERE account_id = @account_id;

-- Forgets windows that ended long ago, with what was left of them, but for those of which a node still has a share.

-- name: SweepBudgetSpends :execrows
WITH old AS (
    SELECT s.account_id
    FROM budget_spends s
    WHERE s.starts_at < now() - interval '70 days'
        AND NOT EXISTS (
            SELECT 1
            FROM credit_leases l
            WHERE l.account_id = s.account_id
        )
    ORDER BY s.starts_at
    LIMIT @row_limit
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM budget_spends s
    USING old o
    WHERE s.account_id = o.account_id
)
DELETE FROM credit_accounts a
USING old o
WHERE a.id = o.account_id
    AND a.user_id IS NULL;
