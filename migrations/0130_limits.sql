-- +goose Up

-- What administrators let a subject do at most, beside the columns of api_keys: see package quota. A key, a user or a
-- provider is named by its id; a role, a model or a tag by its name. Of one subject a limit is there once.
CREATE TABLE limits (
    id           uuid PRIMARY KEY,
    subject      text NOT NULL CHECK (subject IN ('key', 'user', 'role', 'model', 'provider', 'tag')),
    subject_id   uuid CHECK ((subject_id IS NOT NULL) = (subject IN ('key', 'user', 'provider'))),
    subject_name text NOT NULL CHECK ((subject_name <> '') = (subject IN ('role', 'model', 'tag'))),
    each_user    boolean NOT NULL DEFAULT false CHECK (NOT each_user OR subject NOT IN ('key', 'user')),
    dimension    text NOT NULL CHECK (dimension IN ('requests', 'input_tokens', 'output_tokens', 'tokens', 'concurrency', 'spend')),
    limit_window text NOT NULL,
    amount       bigint NOT NULL CHECK (amount > 0),
    redis_away   text NOT NULL DEFAULT 'open' CHECK (redis_away IN ('open', 'closed')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (
        CASE dimension
            WHEN 'concurrency' THEN limit_window = 'call'
            WHEN 'spend' THEN limit_window IN ('day', 'month')
            ELSE limit_window IN ('minute', 'day')
        END
    ),
    CONSTRAINT limits_subject_key UNIQUE NULLS NOT DISTINCT (subject, subject_id, subject_name, each_user, dimension, limit_window)
);

COMMENT ON COLUMN limits.each_user IS 'Each user has the amount, and not all together.';
COMMENT ON COLUMN limits.amount IS 'Requests, tokens or calls; of spend nano-credits.';
COMMENT ON COLUMN limits.redis_away IS 'While Redis is away: open lets each node through its share, closed nothing that is not leased. Not of spend.';

CREATE TRIGGER limits_configuration AFTER INSERT OR UPDATE OR DELETE ON limits
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();

-- Of a budget that is a limit; where each user has it, owner_id is of the limit and the user. The release before books
-- nothing on such.
ALTER TABLE budget_spends ADD COLUMN limit_id uuid;

CREATE INDEX budget_spends_limit_id_idx ON budget_spends (limit_id) WHERE limit_id IS NOT NULL;
