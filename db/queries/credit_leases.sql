-- Gives a node more of each account: what it needs or, where there is enough, what it wants but at most a quarter of
-- what is available; nothing where the need is not there. The caller holds the accounts' locks, taken in a statement
-- before this one: a lease that another node took while this one waited for the lock would not be seen otherwise.

-- name: TakeLeases :many
WITH asked AS (
    SELECT unnest(@account_ids::uuid[]) AS account_id,
        unnest(@needs::bigint[]) AS need,
        unnest(@wants::bigint[]) AS want
), free AS (
    SELECT q.account_id, q.need, q.want, a.balance - (
            SELECT coalesce(sum(l.amount), 0)
            FROM credit_leases l
            WHERE l.account_id = q.account_id
        )::bigint AS available
    FROM asked q
    JOIN credit_accounts a ON a.id = q.account_id
), share AS (
    SELECT account_id, available,
        CASE
            WHEN available <= 0 OR available < need THEN 0
            ELSE least(available, greatest(need, least(greatest(want, available / 16), available / 4)))
        END::bigint AS taken
    FROM free
), lease AS (
    INSERT INTO credit_leases (account_id, node_id, amount, expires_at)
    SELECT account_id, @node_id, taken, clock_timestamp() + @lifetime::interval
    FROM share
    WHERE taken > 0
    ORDER BY account_id
    ON CONFLICT (account_id, node_id) DO UPDATE
    SET amount = credit_leases.amount + excluded.amount,
        expires_at = excluded.expires_at
    RETURNING account_id, expires_at
)
SELECT s.account_id, s.taken, (s.available - s.taken)::bigint AS available, l.expires_at AS version
FROM share s
LEFT JOIN lease l ON l.account_id = s.account_id
ORDER BY s.account_id
LIMIT @row_limit;

-- Extends a node's leases and lowers each by what its node gives back. expires_at is a new value with each take and
-- renewal, and so the version of a lease: what a node gives back is given back only of the version that it saw, so that a
-- statement whose answer was lost cannot come late and lower a lease that the node counts on again.

-- name: RenewLeases :many
WITH asked AS (
    SELECT unnest(@account_ids::uuid[]) AS account_id,
        unnest(@returned::bigint[]) AS returned,
        unnest(@versions::timestamptz[]) AS version
), locked AS (
    SELECT l.account_id, l.amount, (q.returned > 0 AND q.version = l.expires_at AND q.returned <= l.amount)::boolean AS lowered, q.returned
    FROM credit_leases l
    JOIN asked q ON q.account_id = l.account_id
    WHERE l.node_id = @node_id
    ORDER BY l.account_id
    FOR UPDATE OF l
), renewed AS (
    UPDATE credit_leases l
    SET amount = k.amount - CASE WHEN k.lowered THEN k.returned ELSE 0 END,
        expires_at = clock_timestamp() + @lifetime::interval
    FROM locked k
    WHERE l.account_id = k.account_id
        AND l.node_id = @node_id
    RETURNING l.account_id, l.amount, l.expires_at, k.lowered, k.returned
)
SELECT r.account_id, r.amount, r.expires_at, r.lowered, (a.balance - (
        SELECT coalesce(sum(l.amount), 0)
        FROM credit_leases l
        WHERE l.account_id = r.account_id
    ) + CASE WHEN r.lowered THEN r.returned ELSE 0 END)::bigint AS available
FROM renewed r
JOIN credit_accounts a ON a.id = r.account_id
ORDER BY r.account_id
LIMIT @row_limit;

-- name: AdoptLeases :many
UPDATE credit_leases
SET expires_at = clock_timestamp() + @lifetime::interval
WHERE node_id = @node_id
RETURNING *;

-- Removes expired leases that nobody counts on: empty ones, and those of nodes that stopped with nothing left to book. A
-- server that has only just started is given the grace too, since nobody could renew while it was away.

-- name: SweepLeases :execrows
DELETE FROM credit_leases l
USING (
    SELECT e.account_id, e.node_id
    FROM credit_leases e
    LEFT JOIN spool_cursors c ON c.node_id = e.node_id
    WHERE e.expires_at < now() - @grace::interval
        AND (e.amount = 0 OR c.drained)
        AND pg_postmaster_start_time() < now() - @grace::interval
    ORDER BY e.expires_at
    LIMIT @row_limit
    FOR UPDATE OF e SKIP LOCKED
) AS gone
WHERE l.account_id = gone.account_id
    AND l.node_id = gone.node_id;
