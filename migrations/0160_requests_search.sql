-- +goose Up

-- What is rare is found by these: a tag, and a status that is none of success.
CREATE INDEX requests_tags_idx ON requests USING gin (tags jsonb_path_ops);
CREATE INDEX requests_http_status_idx ON requests (http_status, started_at DESC, id DESC) WHERE http_status >= 400;
