-- name: GetSignUpCredit :one
SELECT *
FROM sign_up_credit;

-- name: SetSignUpCredit :one
INSERT INTO sign_up_credit (amount, valid_days)
VALUES (@amount, @valid_days)
ON CONFLICT (one) DO UPDATE
SET amount = excluded.amount,
    valid_days = excluded.valid_days,
    updated_at = now()
RETURNING *;

-- name: EndSignUpCredit :exec
DELETE FROM sign_up_credit;
