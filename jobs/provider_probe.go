package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/provider"
)

// providerProbe makes one small real request to a provider. An unhealthy provider is a result, not a failed job.
type providerProbe struct {
	river.WorkerDefaults[provider.ProbeArgs]
	providers Providers
}

func (w *providerProbe) Work(ctx context.Context, job *river.Job[provider.ProbeArgs]) error {
	_, err := w.providers.Probe(ctx, job.Args.ProviderID)
	return err
}
