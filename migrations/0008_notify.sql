-- +goose Up

-- Tells every node that configuration has changed. Statement triggers, and for UPDATE only the columns that the data
-- plane reads: a sign-in, a booked request or a probe must not make every node reload.
-- +goose StatementBegin
CREATE FUNCTION notify_configuration() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('configuration', TG_TABLE_NAME);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER users_configuration AFTER INSERT OR UPDATE OF role, disabled_at ON users
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER sessions_configuration AFTER UPDATE OF revoked_at ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER api_keys_configuration AFTER INSERT OR UPDATE OR DELETE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER providers_configuration AFTER INSERT OR UPDATE OR DELETE ON providers
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER provider_keys_configuration AFTER INSERT OR UPDATE OR DELETE ON provider_keys
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER provider_models_configuration AFTER INSERT OR UPDATE OR DELETE ON provider_models
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER models_configuration AFTER INSERT OR UPDATE OR DELETE ON models
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
CREATE TRIGGER routes_configuration AFTER INSERT OR UPDATE OR DELETE ON routes
    FOR EACH STATEMENT EXECUTE FUNCTION notify_configuration();
