package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/provider"
)

// providerKeyCheck asks the vendor what it says to one key. A key that is dead is a result, not a failed job.
type providerKeyCheck struct {
	river.WorkerDefaults[provider.KeyCheckArgs]
	providers Providers
}

func (w *providerKeyCheck) Work(ctx context.Context, job *river.Job[provider.KeyCheckArgs]) error {
	return w.providers.CheckKey(ctx, job.Args.KeyID, job.Args.Until)
}
