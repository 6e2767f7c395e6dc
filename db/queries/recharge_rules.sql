-- name: GetRechargeRule :one
SELECT *
FROM recharge_rules
WHERE account_id = @account_id;

-- name: UpsertRechargeRule :exec
INSERT INTO recharge_rules (account_id, threshold, target, daily_cap, enabled)
VALUES (@account_id, @threshold, @target, @daily_cap, @enabled)
ON CONFLICT (account_id) DO UPDATE
SET threshold = excluded.threshold,
    target = excluded.target,
    daily_cap = excluded.daily_cap,
    enabled = excluded.enabled,
    updated_at = now();

-- name: ListRechargesDue :many
SELECT r.account_id
FROM recharge_rules r
JOIN credit_accounts a ON a.id = r.account_id
WHERE r.enabled
    AND r.paused_at IS NULL
    AND a.balance < r.threshold
    AND r.account_id > @after
ORDER BY r.account_id
LIMIT @row_limit;

-- What a recharge has to know, read behind the account's lock. A day is one of UTC. lately is how often the rule recharged
-- within the last hour, full_days on how many of today and the two days before it used up its cap; neither counts what was
-- before an admin set or resumed it.

-- name: GetRecharge :one
WITH moment AS (
    SELECT date_trunc('day', now(), 'UTC') AS today
), recent AS (
    SELECT e.amount, e.created_at, e.created_at > r.updated_at AS counts
    FROM credit_entries e
    JOIN recharge_rules r ON r.account_id = e.account_id
    CROSS JOIN moment m
    WHERE e.account_id = @account_id
        AND e.kind = 'recharge'
        AND e.created_at >= m.today - interval '48 hours'
)
SELECT sqlc.embed(r), a.balance, (m.today AT TIME ZONE 'UTC')::date::text AS day,
    (SELECT count(*) FROM recent WHERE created_at >= m.today) AS times,
    (SELECT coalesce(sum(amount), 0) FROM recent WHERE created_at >= m.today)::bigint AS recharged,
    (SELECT count(*) FROM recent WHERE counts AND created_at > now() - interval '1 hour') AS lately,
    (
        SELECT count(*)
        FROM (
            SELECT 1
            FROM recent
            WHERE counts
            GROUP BY date_trunc('day', created_at, 'UTC')
            HAVING sum(amount) >= r.daily_cap
        ) AS full_day
    ) AS full_days
FROM recharge_rules r
JOIN credit_accounts a ON a.id = r.account_id
CROSS JOIN moment m
WHERE r.account_id = @account_id;

-- name: PauseRecharge :exec
UPDATE recharge_rules
SET paused_at = now(),
    pause_reason = @pause_reason
WHERE account_id = @account_id;

-- name: ResumeRecharge :execrows
UPDATE recharge_rules
SET paused_at = NULL,
    pause_reason = NULL,
    updated_at = now()
WHERE account_id = @account_id
    AND paused_at IS NOT NULL;

-- name: ListRechargeRules :many
SELECT *
FROM recharge_rules
WHERE account_id = ANY(@account_ids::uuid[])
ORDER BY account_id
LIMIT @row_limit;
