-- name: InsertAuditEvent :exec
INSERT INTO audit_events (id, actor_kind, actor_id, actor_name, action, target, details, ip, request_id)
VALUES (@id, @actor_kind, @actor_id, @actor_name, @action, @target, @details, @ip, @request_id);

-- name: GetAuditEvent :one
SELECT *
FROM audit_events
WHERE id = @id;
