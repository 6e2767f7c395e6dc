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

-- Books each charge unless it has been, and lowers the balances and the node's leases by what was new: of the account, and
-- of the budgets of its owners for the window in which the request was made. The caller holds the accounts' locks. The
-- leases are locked in order, since their node renews them without the accounts' locks. Tells what budgets were charged.

-- name: BookCharges :many
WITH charges AS (
    SELECT unnest(@ids::uuid[]) AS id,
        unnest(@account_ids::uuid[]) AS account_id,
        unnest(@request_ids::uuid[]) AS request_id,
        unnest(@amounts::bigint[]) AS amount,
        unnest(@reasons::text[]) AS reason,
        unnest(@created_at::timestamptz[]) AS created_at
), owners AS (
    SELECT unnest(@owned_ids::uuid[]) AS id,
        unnest(@owner_ids::uuid[]) AS owner_id
), booked AS (
    INSERT INTO credit_entries (id, account_id, kind, amount, reason, idempotency_key, request_id, created_at)
    SELECT id, account_id, 'charge', -amount, reason, 'charge:' || request_id, request_id, created_at
    FROM charges
    ON CONFLICT (account_id, idempotency_key) DO NOTHING
    RETURNING id, account_id, amount
), spends AS (
    SELECT s.account_id, sum(b.amount)::bigint AS amount
    FROM booked b
    JOIN charges c ON c.id = b.id
    JOIN owners o ON o.id = b.id
    JOIN budget_spends s ON s.owner_id = o.owner_id
        AND s.starts_at = date_trunc(s.budget_window, c.created_at, 'UTC')
    GROUP BY s.account_id
), sums AS (
    SELECT account_id, sum(amount)::bigint AS amount
    FROM booked
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
    SET amount = greatest(l.amount + k.amount, 0)
    FROM locked k
    WHERE l.account_id = k.account_id
        AND l.node_id = @node_id
), moved AS (
    UPDATE credit_accounts a
    SET balance = a.balance + s.amount,
        expiring = greatest(a.expiring + s.amount, 0),
        updated_at = now()
    FROM sums s
    WHERE a.id = s.account_id
)
SELECT account_id, (-amount)::bigint AS charged
FROM spends
ORDER BY account_id
LIMIT @row_limit;
