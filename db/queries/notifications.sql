-- Those who are told: active admins, and the users that are named.
-- name: NotificationAudience :many
SELECT id
FROM users
WHERE disabled_at IS NULL
    AND (@admins::boolean AND role = 'admin' OR id = ANY(@user_ids::uuid[]))
ORDER BY id
LIMIT @row_limit;

-- name: InsertNotification :one
INSERT INTO notifications (id, user_id, kind, severity, title, text, subject, details, created_at)
VALUES (@id, @user_id, @kind, @severity, @title, @text, @subject, @details, @created_at)
RETURNING *;

-- name: GetNotification :one
SELECT *
FROM notifications
WHERE id = @id;

-- Those with the ids, or all.
-- name: MarkNotificationsRead :many
UPDATE notifications
SET read_at = @read_at
WHERE user_id = @user_id
    AND read_at IS NULL
    AND (@everything::boolean OR id = ANY(@ids::uuid[]))
RETURNING *;

-- name: CountUnreadNotifications :one
SELECT count(*)
FROM (
    SELECT
    FROM notifications
    WHERE user_id = @user_id
        AND read_at IS NULL
    LIMIT @row_limit
) AS counted;

-- Of one user the newest are kept, and of all what is not too old. Deliveries go with them.
-- name: DeleteOldNotifications :execrows
DELETE FROM notifications
WHERE id IN (
    SELECT old.id
    FROM notifications AS old
    WHERE old.created_at < @before
    ORDER BY old.created_at
    LIMIT @row_limit
);

-- name: DeleteSurplusNotifications :execrows
DELETE FROM notifications
WHERE id IN (
    SELECT placed.id
    FROM (
        SELECT n.id, row_number() OVER (PARTITION BY n.user_id ORDER BY n.created_at DESC, n.id DESC) AS place
        FROM notifications AS n
    ) AS placed
    WHERE placed.place > @kept::integer
    LIMIT @row_limit
);

-- A row where the matter is to be told of: it is new, it changed and the last telling is long enough ago for how often it
-- changed, or it is still so after long. Whoever asks at the same time waits here and gets none.
-- name: TellMatter :one
INSERT INTO notification_matters (matter, state, told_at)
VALUES (@matter, @state, @now)
ON CONFLICT (matter) DO UPDATE
SET state = excluded.state,
    told_at = excluded.told_at,
    level = CASE
        WHEN notification_matters.told_at < excluded.told_at - 2 * @max_pause::interval THEN 0
        ELSE least(notification_matters.level + 1, 10)
    END
WHERE notification_matters.state <> excluded.state
        AND notification_matters.told_at + least((1 << notification_matters.level) * @pause::interval, @max_pause::interval) <= excluded.told_at
    OR notification_matters.state = excluded.state
        AND @repeats::boolean
        AND notification_matters.told_at + @repeat::interval <= excluded.told_at
RETURNING matter;

-- name: GetMatter :one
SELECT *
FROM notification_matters
WHERE matter = @matter;

-- name: DeleteOldMatters :execrows
DELETE FROM notification_matters
WHERE matter IN (
    SELECT old.matter
    FROM notification_matters AS old
    WHERE old.told_at < @before
    LIMIT @row_limit
);
