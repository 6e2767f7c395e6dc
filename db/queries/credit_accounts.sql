-- name: InsertCreditAccount :exec
INSERT INTO credit_accounts (id, user_id)
VALUES (@id, @user_id);

-- name: GetCreditAccount :one
SELECT sqlc.embed(a), (
        SELECT coalesce(sum(l.amount), 0)
        FROM credit_leases l
        WHERE l.account_id = a.id
    )::bigint AS reserved
FROM credit_accounts a
WHERE a.user_id = @user_id;

-- name: GetCreditStanding :one
SELECT a.balance, (
        SELECT coalesce(sum(l.amount), 0)
        FROM credit_leases l
        WHERE l.account_id = a.id
    )::bigint AS reserved
FROM credit_accounts a
WHERE a.id = @id;

-- name: GetCreditAccountOwner :one
SELECT user_id
FROM credit_accounts
WHERE id = @id
    AND user_id IS NOT NULL;

-- Whatever adds to an account's leases or moves its balance locks the account first, in a statement of its own: the
-- next one then sees everything that was committed before. The order keeps two transactions from waiting for each other.
-- NO KEY, so that a foreign key's check does not wait.

-- name: LockCreditAccounts :exec
SELECT 1
FROM credit_accounts
WHERE id = ANY(@ids::uuid[])
ORDER BY id
FOR NO KEY UPDATE;

-- Locks accounts with those of the budgets that charges since a time may be taken from.

-- name: LockChargedAccounts :exec
SELECT 1
FROM credit_accounts
WHERE id IN (
        SELECT unnest(@ids::uuid[])
        UNION ALL
        SELECT account_id
        FROM budget_spends
        WHERE owner_id = ANY(@owner_ids::uuid[])
            AND starts_at >= date_trunc('month', @since::timestamptz, 'UTC')
    )
ORDER BY id
FOR NO KEY UPDATE;

-- name: LockCreditAccountOfUser :one
SELECT *
FROM credit_accounts
WHERE user_id = @user_id
FOR NO KEY UPDATE;

-- What is taken away is taken from what expires first.

-- name: AddToBalance :exec
UPDATE credit_accounts
SET balance = balance + @amount::bigint,
    expiring = greatest(expiring + least(@amount::bigint, 0), 0),
    updated_at = now()
WHERE id = @id;

-- name: ListCreditAccountsByUsers :many
SELECT sqlc.embed(a), (
        SELECT coalesce(sum(l.amount), 0)
        FROM credit_leases l
        WHERE l.account_id = a.id
    )::bigint AS reserved
FROM credit_accounts a
WHERE a.user_id = ANY(@user_ids::uuid[])
ORDER BY a.id
LIMIT @row_limit;

-- name: SetAccountBudgets :one
UPDATE credit_accounts
SET daily_budget = CASE WHEN @budget_window::text = 'day' THEN sqlc.narg('amount')::bigint ELSE daily_budget END,
    monthly_budget = CASE WHEN @budget_window::text = 'month' THEN sqlc.narg('amount')::bigint ELSE monthly_budget END,
    updated_at = now()
WHERE user_id = @user_id
RETURNING id;
