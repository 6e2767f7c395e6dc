-- name: RoutesByModelIDs :many
SELECT *
FROM routes
WHERE model_id = ANY(@model_ids::uuid[])
ORDER BY model_id, priority, id
LIMIT @row_limit;

-- A route keeps its id as long as the model leads to the same provider's same model.

-- name: UpsertRoute :exec
INSERT INTO routes (id, model_id, provider_id, upstream_id, weight, priority, enabled)
VALUES (@id, @model_id, @provider_id, @upstream_id, @weight, @priority, @enabled)
ON CONFLICT (model_id, provider_id, upstream_id) DO UPDATE
SET weight = excluded.weight,
    priority = excluded.priority,
    enabled = excluded.enabled;

-- name: DeleteRoutes :exec
DELETE FROM routes
WHERE id = ANY(@ids::uuid[]);

-- name: DeleteRoutesOfProvider :many
DELETE FROM routes
WHERE provider_id = @provider_id
RETURNING model_id;

-- The lock keeps a provider from being deleted while a route to it is made.

-- name: LockLiveProviders :many
SELECT id
FROM providers
WHERE id = ANY(@ids::uuid[])
    AND deleted_at IS NULL
ORDER BY id
LIMIT 1000
FOR SHARE;
