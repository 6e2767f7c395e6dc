-- name: InsertRedeemBatch :one
INSERT INTO redeem_batches (id, label, amount, codes, expires_at, valid_days, created_by)
VALUES (@id, @label, @amount, @codes, @expires_at, @valid_days, @created_by)
RETURNING *;

-- name: InsertRedeemCodes :exec
INSERT INTO redeem_codes (hash, batch_id)
SELECT unnest(@hashes::bytea[]), @batch_id::uuid;

-- Takes a code for an account, if it is good: whoever else takes it at the same time waits, and then finds it used.

-- name: TakeRedeemCode :one
UPDATE redeem_codes c
SET account_id = @account_id::uuid,
    redeemed_at = now()
FROM redeem_batches b
WHERE c.hash = @hash
    AND c.redeemed_at IS NULL
    AND b.id = c.batch_id
    AND b.revoked_at IS NULL
    AND (b.expires_at IS NULL OR b.expires_at > now())
RETURNING b.id AS batch_id, b.amount, b.label, b.valid_days;

-- name: RevokeRedeemBatch :one
UPDATE redeem_batches
SET revoked_at = coalesce(revoked_at, now())
WHERE id = @id
RETURNING *;

-- name: ListRedeemBatches :many
SELECT sqlc.embed(b), (
        SELECT count(*)
        FROM redeem_codes c
        WHERE c.batch_id = b.id
            AND c.redeemed_at IS NOT NULL
    ) AS redeemed
FROM redeem_batches b
ORDER BY b.id DESC
LIMIT @row_limit;

-- name: CountRedeemed :one
SELECT count(*)
FROM redeem_codes
WHERE batch_id = @batch_id
    AND redeemed_at IS NOT NULL;
