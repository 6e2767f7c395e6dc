package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"aihigress/internal/provider"
)

// providerKeyCheckAll enqueues a check of every dead key whose time has come.
type providerKeyCheckAll struct {
	river.WorkerDefaults[provider.KeyCheckAllArgs]
	providers Providers
}

func (w *providerKeyCheckAll) Work(ctx context.Context, _ *river.Job[provider.KeyCheckAllArgs]) error {
	_, err := w.providers.CheckKeys(ctx)
	return err
}
