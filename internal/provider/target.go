package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"aihigress/db"
	"aihigress/internal/id"
	"aihigress/internal/secret"
)

// A Target is what it takes to call a provider outside of the data plane: to list its models, to probe it.
type Target struct {
	ID        id.Provider
	Slug      string
	Dialect   string
	Kind      string
	BaseURL   *url.URL
	Headers   http.Header
	Paths     map[string]string // by operation, behind BaseURL
	Streaming Streaming
	KeyID     id.ProviderKey
	Secret    secret.Text // empty where the provider has no usable key
	Network
	AllowPrivate bool
}

// A Caller makes such calls. Failures have the kind Upstream; a status that is no success has the code "http_" and the
// status.
type Caller interface {
	// ListModels asks for the ids of all models that the provider offers.
	ListModels(ctx context.Context, t Target) ([]string, error)
	// Probe makes the smallest real request to a model. A status is no error, whatever it is.
	Probe(ctx context.Context, t Target, model string) (status int, latency time.Duration, err error)
	// CheckKey makes the smallest real request, to a model or for the list of models where it is "", to see what the vendor
	// says of the key.
	CheckKey(ctx context.Context, t Target, model string) (Verdict, error)
}

// target reads a provider and opens the first of its keys that may be used, or where none may, that an admin wants used.
func (p *Providers) target(ctx context.Context, provider id.Provider) (db.Provider, Target, error) {
	return p.targetWith(ctx, provider, func(keys []db.ProviderKey) []db.ProviderKey {
		var usable, dead []db.ProviderKey
		for _, key := range keys {
			switch {
			case key.Enabled && key.DisabledAt == nil:
				usable = append(usable, key)
			case key.Enabled:
				dead = append(dead, key)
			}
		}
		return append(usable, dead...)
	})
}

// targetWith is target with the first that opens of the keys that pick gives.
func (p *Providers) targetWith(ctx context.Context, provider id.Provider, pick func([]db.ProviderKey) []db.ProviderKey) (db.Provider, Target, error) {
	row, err := p.q.GetProvider(ctx, p.pool, provider)
	if err != nil {
		return row, Target{}, fmt.Errorf("get provider: %w", db.Classify(err))
	}
	base, err := url.Parse(row.BaseUrl)
	if err != nil {
		return row, Target{}, fmt.Errorf("base URL of provider %s: %w", row.ID, err)
	}
	var headers map[string]string
	if err := json.Unmarshal(row.Headers, &headers); err != nil {
		return row, Target{}, fmt.Errorf("headers of provider %s: %w", row.ID, err)
	}
	t := Target{
		ID: row.ID, Slug: row.Slug, Dialect: row.Dialect, Kind: row.Kind, BaseURL: base, Headers: make(http.Header, len(headers)),
		Streaming: Streaming(row.Streaming), Network: networkOf(row), AllowPrivate: row.AllowPrivate,
	}
	if err := json.Unmarshal(row.Paths, &t.Paths); err != nil {
		return row, Target{}, fmt.Errorf("paths of provider %s: %w", row.ID, err)
	}
	for name, value := range headers {
		t.Headers.Set(name, value)
	}
	keys, err := p.q.ProviderKeysByProvider(ctx, p.pool, db.ProviderKeysByProviderParams{ProviderID: provider, RowLimit: MaxKeys})
	if err != nil {
		return row, Target{}, fmt.Errorf("list provider keys: %w", db.Classify(err))
	}
	for _, key := range pick(keys) {
		if t.Secret, err = p.keyring.Open(key.SecretSealed, key.SecretKeyID, KeyPlace(key.ID)); err == nil {
			t.KeyID = key.ID
			return row, t, nil
		}
		p.log.Error("a provider's key does not open", "provider", row.ID, "key", key.ID, "error", err)
	}
	return row, t, nil
}
