package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// TopicHealth carries a Health whenever a provider's state changed.
const TopicHealth = "health"

// A State is what the last probe or live traffic says of a provider.
type State string

// The states.
const (
	Unknown   State = "unknown" // never probed
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy"
)

// A Source is where a provider's health is known from.
type Source string

// The sources.
const (
	FromProbe   Source = "probe"
	FromTraffic Source = "traffic"
)

// Health is what the last probe saw, or what live traffic told since.
type Health struct {
	ProviderID id.Provider
	State      State
	Source     Source
	HTTPStatus int           // of a probe; 0 where no answer came
	Latency    time.Duration // of the whole probe
	Error      string        // why it is unhealthy; safe to show
	CheckedAt  time.Time     // zero where it was never probed
	ChangedAt  time.Time     // when the state became what it is
}

// Probe makes one small real request, to the cheapest model that the provider offers, and stores how it went. A provider
// without models, or one whose cheapest takes no chat, is asked for its list instead. That the provider is unhealthy is a
// result and no error.
func (p *Providers) Probe(ctx context.Context, provider id.Provider) (Health, error) {
	if _, err := authz.Require(ctx, authz.ProviderProbe); err != nil {
		return Health{}, err
	}
	begin := time.Now()
	row, target, err := p.target(ctx, provider)
	if err != nil {
		return Health{}, err
	}
	models, err := p.q.ProviderModelsByProvider(ctx, p.pool, db.ProviderModelsByProviderParams{ProviderID: provider, RowLimit: MaxModels})
	if err != nil {
		return Health{}, fmt.Errorf("list provider models: %w", db.Classify(err))
	}
	params := db.UpsertProviderHealthParams{ProviderID: provider, State: string(Healthy), Source: string(FromProbe)}
	status, latency, err := p.probe(ctx, target, cheapest(models))
	switch {
	case ctx.Err() != nil:
		return Health{}, fmt.Errorf("probe %s: %w", row.Slug, context.Cause(ctx)) // nobody's fault: the next probe will tell
	case err != nil:
		params.State, params.Error = string(Unhealthy), "no answer"
		if failure, ok := fault.As(err); ok {
			params.Error = failure.Message
		}
	case status < 200 || status > 299:
		params.State, params.Error = string(Unhealthy), fmt.Sprintf("HTTP %d", status)
	}
	params.HttpStatus, params.LatencyUs, params.CheckedAt = int32(status), latency.Microseconds(), begin
	return p.store(ctx, row.Slug, params)
}

// store keeps a provider's health, and tells of it where it changed.
func (p *Providers) store(ctx context.Context, slug string, params db.UpsertProviderHealthParams) (Health, error) {
	stored, err := p.q.UpsertProviderHealth(ctx, p.pool, params)
	later := errors.Is(err, pgx.ErrNoRows) // what is stored was seen later, and told
	if later {
		stored, err = p.q.GetProviderHealth(ctx, p.pool, params.ProviderID)
	}
	if err != nil {
		return Health{}, fmt.Errorf("store health of %s: %w", slug, db.Classify(err))
	}
	health := healthFromRow(stored)
	if health.ChangedAt.Equal(health.CheckedAt) && !later {
		p.log.Info("provider's health changed", "provider", slug, "state", health.State, "source", health.Source, "error", health.Error)
		p.bus.Publish(ctx, TopicHealth, health)
	}
	return health, nil
}

func (p *Providers) probe(ctx context.Context, target Target, model string) (status int, latency time.Duration, err error) {
	if model != "" {
		status, latency, err = p.caller.Probe(ctx, target, model)
		if err != nil || status != 400 && status != 404 {
			return status, latency, err
		}
	}
	start := time.Now()
	_, err = p.caller.ListModels(ctx, target)
	latency = time.Since(start)
	if failure, ok := errors.AsType[*fault.Error](err); ok {
		if n, _ := fmt.Sscanf(failure.Code, "http_%d", &status); n == 1 {
			return status, latency, nil
		}
	}
	if err != nil {
		return 0, latency, err
	}
	return 200, latency, nil
}

// cheapest is the upstream id of the model whose tokens cost least, one that is priced before one that is not; "" where
// there is none.
func cheapest(models []db.ProviderModel) (upstream string) {
	var least int64 = -1
	for _, m := range models {
		if !m.Enabled || m.MissingSince != nil {
			continue
		}
		if m.InputPrice == nil || m.OutputPrice == nil {
			if upstream == "" {
				upstream = m.UpstreamID
			}
			continue
		}
		if cost := int64(*m.InputPrice + *m.OutputPrice); least < 0 || cost < least {
			upstream, least = m.UpstreamID, cost
		}
	}
	return upstream
}

func healthFromRow(row db.ProviderHealth) Health {
	return Health{
		ProviderID: row.ProviderID, State: State(row.State), Source: Source(row.Source), HTTPStatus: int(row.HttpStatus),
		Latency: time.Duration(row.LatencyUs) * time.Microsecond, Error: row.Error, CheckedAt: row.CheckedAt, ChangedAt: row.ChangedAt,
	}
}
