-- +goose Up

-- The ledger's foreign keys were looked up once an entry, which took Postgres a fifth of what booking a request does. Its entries
-- come by the thousand, all of some accounts that their inserter has locked: so they are looked up once a statement. What a
-- foreign key promises still holds: no entry without its account and actor, and no account goes that has entries. Users cannot go, since
-- their accounts refer to them.
-- +goose StatementBegin
CREATE FUNCTION credit_entries_references() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1
        FROM added e
        WHERE NOT EXISTS (SELECT 1 FROM credit_accounts a WHERE a.id = e.account_id)
    ) THEN
        RAISE foreign_key_violation
            USING MESSAGE = 'a ledger entry is of an account that is not there', TABLE = TG_TABLE_NAME, CONSTRAINT = 'credit_entries_account_id_fkey';
    END IF;
    IF EXISTS (
        SELECT 1
        FROM added e
        WHERE e.actor_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = e.actor_id)
    ) THEN
        RAISE foreign_key_violation
            USING MESSAGE = 'a ledger entry is by a user who is not there', TABLE = TG_TABLE_NAME, CONSTRAINT = 'credit_entries_actor_id_fkey';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION credit_accounts_referenced() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM credit_entries e WHERE e.account_id = OLD.id) THEN
        RAISE foreign_key_violation
            USING MESSAGE = 'an account with ledger entries cannot go', TABLE = TG_TABLE_NAME, CONSTRAINT = 'credit_entries_account_id_fkey';
    END IF;
    RETURN OLD;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER credit_entries_references AFTER INSERT ON credit_entries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION credit_entries_references();
CREATE TRIGGER credit_accounts_referenced BEFORE DELETE ON credit_accounts
    FOR EACH ROW EXECUTE FUNCTION credit_accounts_referenced();

ALTER TABLE credit_entries DROP CONSTRAINT credit_entries_account_id_fkey;
ALTER TABLE credit_entries DROP CONSTRAINT credit_entries_actor_id_fkey;
