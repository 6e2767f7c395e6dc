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
    AND a.balance < r.threshold
    AND r.account_id > @after
ORDER BY r.account_id
LIMIT @row_limit;

-- What a recharge has to know, read behind the account's lock. A day is one of UTC.

-- name: GetRecharge :one
SELECT sqlc.embed(r), a.balance,
    (now() AT TIME ZONE 'UTC')::date::text AS day,
    count(e.id) AS times,
    coalesce(sum(e.amount), 0)::bigint AS recharged
FROM recharge_rules r
JOIN credit_accounts a ON a.id = r.account_id
LEFT JOIN credit_entries e ON e.account_id = r.account_id
    AND e.kind = 'recharge'
    AND e.created_at >= date_trunc('day', now(), 'UTC')
WHERE r.account_id = @account_id
GROUP BY r.account_id, a.id;

-- name: ListRechargeRules :many
SELECT *
FROM recharge_rules
WHERE account_id = ANY(@account_ids::uuid[])
ORDER BY account_id
LIMIT @row_limit;
