-- +goose Up

-- Proxies through which calls of providers leave. list_sealed is the address of a remote list, which is often a secret itself:
-- bound to this row and readable with the master key list_key_id names.
CREATE TABLE egress_pools (
    id           uuid PRIMARY KEY,
    name         text NOT NULL CONSTRAINT egress_pools_name_key UNIQUE,
    choice       text NOT NULL DEFAULT 'random' CHECK (choice IN ('random', 'round_robin', 'sticky')),
    allow_direct boolean NOT NULL DEFAULT false,
    allow_hosts  text[] NOT NULL DEFAULT '{}',
    list_host    text NOT NULL DEFAULT '',
    list_plain   boolean NOT NULL DEFAULT false,
    list_key_id  text NOT NULL DEFAULT '',
    list_sealed  bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN egress_pools.allow_direct IS 'Where no proxy works, calls go out without one.';
COMMENT ON COLUMN egress_pools.allow_hosts IS 'Hosts and address ranges that are not public, where an admin lets proxies and the list be.';
COMMENT ON COLUMN egress_pools.list_plain IS 'An admin lets the list be fetched over http.';

-- address has no credentials; url_sealed has all, bound to this row and readable with the master key url_key_id names.
CREATE TABLE egress_proxies (
    id         uuid PRIMARY KEY,
    pool_id    uuid NOT NULL REFERENCES egress_pools ON DELETE CASCADE,
    source     text NOT NULL CHECK (source IN ('manual', 'list')),
    address    text NOT NULL,
    hint       text NOT NULL DEFAULT '',
    url_key_id text NOT NULL,
    url_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX egress_proxies_pool_id_idx ON egress_proxies (pool_id, id);

-- What the last check of a proxy, and the last look at a pool's list, saw. Apart, so that they do not stir the configuration's
-- listeners; only that a proxy ceases to work or works again does.
CREATE TABLE egress_checks (
    proxy_id   uuid PRIMARY KEY REFERENCES egress_proxies ON DELETE CASCADE,
    healthy    boolean NOT NULL,
    latency_us bigint NOT NULL DEFAULT 0,
    error      text NOT NULL DEFAULT '',
    checked_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE egress_lists (
    pool_id    uuid PRIMARY KEY REFERENCES egress_pools ON DELETE CASCADE,
    error      text NOT NULL DEFAULT '',
    fetched_at timestamptz NOT NULL
);

ALTER TABLE providers ADD COLUMN egress_pool_id uuid CONSTRAINT providers_egress_pool_id_fkey REFERENCES egress_pools;
ALTER TABLE providers ADD COLUMN allow_hosts text[] NOT NULL DEFAULT '{}';
ALTER TABLE providers ADD COLUMN ca_certificate text NOT NULL DEFAULT '';

CREATE INDEX providers_egress_pool_id_idx ON providers (egress_pool_id) WHERE egress_pool_id IS NOT NULL;

COMMENT ON COLUMN providers.egress_pool_id IS 'Its calls leave through a proxy of this pool.';
COMMENT ON COLUMN providers.allow_hosts IS 'Hosts and address ranges that are not public, where an admin lets this provider be.';
COMMENT ON COLUMN providers.ca_certificate IS 'PEM certificates that are trusted for this provider, besides the system''s.';

CREATE TRIGGER egress_pools_configuration AFTER INSERT OR UPDATE OR DELETE ON egress_pools
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER egress_proxies_configuration AFTER INSERT OR UPDATE OR DELETE ON egress_proxies
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER egress_checks_failing AFTER INSERT ON egress_checks
    FOR EACH ROW WHEN (NOT NEW.healthy) EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER egress_checks_changed AFTER UPDATE ON egress_checks
    FOR EACH ROW WHEN (OLD.healthy IS DISTINCT FROM NEW.healthy) EXECUTE FUNCTION notify_configuration();
