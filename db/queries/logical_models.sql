-- name: InsertModel :one
INSERT INTO models (id, name, description, strategy, enabled, unsupported, balance_latency, balance_price, balance_errors,
    hedge, retry_budget, request_errors, multiplier)
VALUES (@id, @name, @description, @strategy, @enabled, @unsupported, @balance_latency, @balance_price, @balance_errors,
    @hedge, @retry_budget, @request_errors, @multiplier)
RETURNING *;

-- name: GetModel :one
SELECT *
FROM models
WHERE id = @id;

-- name: GetModelForUpdate :one
SELECT *
FROM models
WHERE id = @id
FOR UPDATE;

-- name: ModelsByIDs :many
SELECT *
FROM models
WHERE id = ANY(@ids::uuid[])
ORDER BY id
LIMIT @row_limit;

-- name: UpdateModel :one
UPDATE models
SET name = @name,
    description = @description,
    strategy = @strategy,
    enabled = @enabled,
    unsupported = @unsupported,
    balance_latency = @balance_latency,
    balance_price = @balance_price,
    balance_errors = @balance_errors,
    hedge = @hedge,
    retry_budget = @retry_budget,
    request_errors = @request_errors,
    multiplier = @multiplier,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DeleteModel :execrows
DELETE FROM models
WHERE id = @id;
