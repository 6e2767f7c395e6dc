package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"aihigress/internal/catalog"
	"aihigress/internal/id"
	"aihigress/internal/provider"
)

// Providers is what jobs need of the providers.
type Providers interface {
	Discover(ctx context.Context, p id.Provider) (provider.Discovery, error)
	DiscoverAll(ctx context.Context) (int, error)
	Probe(ctx context.Context, p id.Provider) (provider.Health, error)
	ProbeAll(ctx context.Context) (int, error)
	CheckKey(ctx context.Context, key id.ProviderKey, until time.Time) error
	CheckKeys(ctx context.Context) (int, error)
	RefreshPrices(ctx context.Context) (catalog.Refresh, error)
}

// providerDiscover asks one provider for its models.
type providerDiscover struct {
	river.WorkerDefaults[provider.DiscoverArgs]
	providers Providers
	log       *slog.Logger
}

func (w *providerDiscover) Work(ctx context.Context, job *river.Job[provider.DiscoverArgs]) error {
	found, err := w.providers.Discover(ctx, job.Args.ProviderID)
	if err == nil && found.Changed() {
		w.log.Info("provider's models changed", "provider", job.Args.ProviderID, "listed", found.Listed,
			"added", len(found.Added), "missing", len(found.Missing), "back", len(found.Back), "repriced", len(found.Repriced))
	}
	return err
}
