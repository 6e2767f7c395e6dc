-- +goose Up

-- What the request log is searched by besides its reader: correlation, model, provider, and what went wrong.
CREATE INDEX requests_request_id_idx ON requests (request_id, started_at DESC, id DESC);
CREATE INDEX requests_model_idx ON requests (model, started_at DESC, id DESC);
CREATE INDEX requests_provider_id_idx ON requests (provider_id, started_at DESC, id DESC);
CREATE INDEX requests_outcome_idx ON requests (outcome, started_at DESC, id DESC) WHERE outcome <> 'OK';
