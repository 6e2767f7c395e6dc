package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/provider"
)

// providerDiscoverAll enqueues a discovery of every enabled provider.
type providerDiscoverAll struct {
	river.WorkerDefaults[provider.DiscoverAllArgs]
	providers Providers
}

func (w *providerDiscoverAll) Work(ctx context.Context, _ *river.Job[provider.DiscoverAllArgs]) error {
	_, err := w.providers.DiscoverAll(ctx)
	return err
}
