-- Compares the balances of some accounts with their last closings and the entries since, as of one moment, and closes those
-- that have new entries and are right. An entry has a number above those of its account's that were committed before it.
-- What was never closed has entries without a number too. A sum that was tampered with may be beyond what is kept: it is cut.

-- name: CloseAccounts :many
WITH batch AS (
    SELECT a.id, a.balance
    FROM credit_accounts a
    WHERE a.user_id IS NOT NULL
        AND a.id > @after
    ORDER BY a.id
    LIMIT @row_limit
), checked AS (
    SELECT s.id, s.balance, c.number AS since_number, coalesce(c.balance, 0) AS since, e.entries, e.number,
        greatest(least(coalesce(c.balance, 0) + e.amount, 9223372036854775807), -9223372036854775807)::bigint AS total
    FROM batch s
    LEFT JOIN LATERAL (
        SELECT l.number, l.balance
        FROM credit_closings l
        WHERE l.account_id = s.id
        ORDER BY l.number DESC
        LIMIT 1
    ) AS c ON true
    CROSS JOIN LATERAL (
        SELECT count(*) AS entries, coalesce(max(r.number), 0) AS number, coalesce(sum(r.amount), 0) AS amount
        FROM (
            SELECT n.number, n.amount
            FROM credit_entries n
            WHERE n.account_id = s.id
                AND n.number > coalesce(c.number, 0)
            UNION ALL
            SELECT 0, o.amount
            FROM credit_entries o
            WHERE o.account_id = s.id
                AND o.number IS NULL
                AND c.number IS NULL
        ) AS r
    ) AS e
), closed AS (
    INSERT INTO credit_closings (account_id, number, balance, entries, since_number, since)
    SELECT id, number, balance, entries, since_number, since
    FROM checked
    WHERE balance = total
        AND entries > 0
    ON CONFLICT DO NOTHING
)
SELECT id, balance, total
FROM checked
ORDER BY id
LIMIT @row_limit;
