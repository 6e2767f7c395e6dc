package jobs

import (
	"errors"

	"github.com/riverqueue/river"
)

// registry collects the workers and remembers their kinds.
type registry struct {
	workers *river.Workers
	kinds   []string
	err     error
}

func register[T river.JobArgs](r *registry, worker river.Worker[T]) {
	var args T
	r.kinds = append(r.kinds, args.Kind())
	r.err = errors.Join(r.err, river.AddWorkerSafely(r.workers, worker))
}

// addAll registers a worker for every kind of job.
func (r *registry) addAll(o Options) {
	register(r, &providerDiscover{providers: o.Providers, log: o.Log})
	register(r, &providerDiscoverAll{providers: o.Providers})
	register(r, &providerProbe{providers: o.Providers})
	register(r, &providerProbeAll{providers: o.Providers})
	register(r, &providerKeyCheck{providers: o.Providers})
	register(r, &providerKeyCheckAll{providers: o.Providers})
	register(r, &priceRefresh{providers: o.Providers, log: o.Log})
	register(r, &webhookDeliver{inbox: o.Inbox})
	register(r, &notificationRetention{inbox: o.Inbox, log: o.Log})
	register(r, &egressRefresh{egress: o.Egress, log: o.Log})
	register(r, &egressRefreshAll{egress: o.Egress})
	register(r, &egressCheck{egress: o.Egress})
	register(r, &egressCheckAll{egress: o.Egress})
	register(r, &creditRecharge{ledger: o.Ledger, inbox: o.Inbox, log: o.Log})
	register(r, &creditSweep{ledger: o.Ledger, log: o.Log})
	register(r, &creditExpire{ledger: o.Ledger, log: o.Log})
	register(r, &creditVerify{ledger: o.Ledger, inbox: o.Inbox, log: o.Log})
	register(r, &creditAlert{ledger: o.Ledger, inbox: o.Inbox})
	register(r, &creditWarn{ledger: o.Ledger, inbox: o.Inbox})
	register(r, &usageFold{reports: o.Reports})
	register(r, &usagePartitions{reports: o.Reports})
	register(r, &usageRetention{reports: o.Reports, retention: o.Retention})
	register(r, &sessionCleanup{sessions: o.Sessions, log: o.Log})
}
