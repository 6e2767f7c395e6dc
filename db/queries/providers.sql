-- name: InsertProvider :one
INSERT INTO providers (
    id, owner_id, slug, name, dialect, kind, base_url, visibility, preset_id, headers, weight,
    ask_stream_usage, allow_private, accept_any_model, enabled, paths, streaming,
    egress_pool_id, allow_hosts, ca_certificate, billing_factor
)
VALUES (
    @id, @owner_id, @slug, @name, @dialect, @kind, @base_url, @visibility, @preset_id, @headers, @weight,
    @ask_stream_usage, @allow_private, @accept_any_model, @enabled, @paths, @streaming,
    sqlc.narg('egress_pool_id'), @allow_hosts, @ca_certificate, @billing_factor
)
RETURNING *;

-- name: GetProvider :one
SELECT *
FROM providers
WHERE id = @id
    AND deleted_at IS NULL;

-- name: GetProviderForUpdate :one
SELECT *
FROM providers
WHERE id = @id
    AND deleted_at IS NULL
FOR UPDATE;

-- Deleted ones too: what was logged names them.
-- name: ProvidersByIDs :many
SELECT *
FROM providers
WHERE id = ANY(@ids::uuid[])
ORDER BY id
LIMIT @row_limit;

-- name: UpdateProvider :one
UPDATE providers
SET slug = @slug,
    name = @name,
    kind = @kind,
    base_url = @base_url,
    visibility = @visibility,
    headers = @headers,
    paths = @paths,
    streaming = @streaming,
    weight = @weight,
    ask_stream_usage = @ask_stream_usage,
    allow_private = @allow_private,
    accept_any_model = @accept_any_model,
    enabled = @enabled,
    egress_pool_id = sqlc.narg('egress_pool_id'),
    allow_hosts = @allow_hosts,
    ca_certificate = @ca_certificate,
    billing_factor = @billing_factor,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- The slug is given free for another provider.
-- name: SoftDeleteProvider :exec
UPDATE providers
SET deleted_at = now(),
    enabled = false,
    egress_pool_id = NULL,
    slug = left(slug, 40) || '-' || substr(md5(id::text), 1, 12),
    updated_at = now()
WHERE id = @id;

-- Disabled ones too: their prices are ready when they are enabled.
-- name: PresetProviderIDs :many
SELECT id
FROM providers
WHERE preset_id <> ''
    AND deleted_at IS NULL
    AND id > @after
ORDER BY id
LIMIT @row_limit;

-- name: EnabledProviderIDs :many
SELECT id
FROM providers
WHERE enabled
    AND deleted_at IS NULL
    AND id > @after
ORDER BY id
LIMIT @row_limit;
