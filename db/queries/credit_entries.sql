-- name: InsertCreditEntry :one
INSERT INTO credit_entries (id, account_id, kind, amount, reason, idempotency_key, request_id, actor_id)
VALUES (@id, @account_id, @kind, @amount, @reason, @idempotency_key, @request_id, @actor_id)
RETURNING *;

-- name: GetCreditEntryByKey :one
SELECT *
FROM credit_entries
WHERE account_id = @account_id
    AND idempotency_key = @idempotency_key;

-- name: ListCreditEntries :many
SELECT *
FROM credit_entries
WHERE account_id = @account_id
    AND (created_at, id) < (@before_at::timestamptz, @before_id::uuid)
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: CountCreditEntries :one
SELECT count(*)
FROM (
    SELECT 1
    FROM credit_entries
    WHERE account_id = @account_id
    LIMIT @row_limit
) AS counted;

-- Tells which requests are charged already, by the accounts and the keys of their entries.

-- name: WhichCharges :many
SELECT e.request_id::uuid AS request_id
FROM (
    SELECT unnest(@account_ids::uuid[]) AS account_id,
        unnest(@keys::text[]) AS key
) AS k
JOIN credit_entries e ON e.account_id = k.account_id
    AND e.idempotency_key = k.key;

-- Lowers the balances and the node's leases by what was charged: of the accounts, and of the budgets of owners for the windows
-- that the days of their charges are in. The caller holds the accounts' locks. The leases are locked in order, since their node
-- renews them without the accounts' locks. Tells what budgets were charged.

-- name: LowerBalances :many
WITH charged AS (
    SELECT unnest(@account_ids::uuid[]) AS account_id,
        unnest(@amounts::bigint[]) AS amount
), owned AS (
    SELECT unnest(@owner_ids::uuid[]) AS owner_id,
        unnest(@days::timestamptz[]) AS day,
        unnest(@owner_amounts::bigint[]) AS amount
), spends AS (
    SELECT s.account_id, sum(o.amount)::bigint AS amount
    FROM owned o
    JOIN budget_spends s ON s.owner_id = o.owner_id
        AND s.starts_at = date_trunc(s.budget_window, o.day, 'UTC')
    GROUP BY s.account_id
), sums AS (
    SELECT account_id, sum(amount)::bigint AS amount
    FROM charged
    GROUP BY account_id
    UNION ALL
    SELECT account_id, amount
    FROM spends
), locked AS (
    SELECT l.account_id, s.amount
    FROM credit_leases l
    JOIN sums s ON s.account_id = l.account_id
    WHERE l.node_id = @node_id
    ORDER BY l.account_id
    FOR UPDATE OF l
), spent AS (
    UPDATE credit_leases l
    SET amount = greatest(l.amount - k.amount, 0)
    FROM locked k
    WHERE l.account_id = k.account_id
        AND l.node_id = @node_id
), moved AS (
    UPDATE credit_accounts a
    SET balance = a.balance - s.amount,
        expiring = greatest(a.expiring - s.amount, 0),
        updated_at = now()
    FROM sums s
    WHERE a.id = s.account_id
)
SELECT account_id, amount AS charged
FROM spends
ORDER BY account_id
LIMIT @row_limit;
