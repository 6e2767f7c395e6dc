package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/provider"
)

// providerProbeAll enqueues a probe of every enabled provider.
type providerProbeAll struct {
	river.WorkerDefaults[provider.ProbeAllArgs]
	providers Providers
}

func (w *providerProbeAll) Work(ctx context.Context, _ *river.Job[provider.ProbeAllArgs]) error {
	_, err := w.providers.ProbeAll(ctx)
	return err
}
