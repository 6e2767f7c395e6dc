package jobs

import (
	"time"

	"github.com/riverqueue/river"

	"aihigress/internal/auth"
	"aihigress/internal/credit"
	"aihigress/internal/egress"
	"aihigress/internal/notify"
	"aihigress/internal/provider"
	"aihigress/internal/usage"
)

// schedule is what happens by itself. The node that leads enqueues it; should two believe that they lead, or the lead
// change hands, the jobs' own uniqueness keeps a period from having two.
func schedule(o Options) []*river.PeriodicJob {
	every := func(period time.Duration, args river.JobArgs) *river.PeriodicJob {
		return river.NewPeriodicJob(river.PeriodicInterval(period), func() (river.JobArgs, *river.InsertOpts) { return args, nil },
			&river.PeriodicJobOpts{ID: args.Kind(), RunOnStart: true}) // nodes may restart more often than the longest period
	}
	jobs := []*river.PeriodicJob{
		every(6*time.Hour, provider.DiscoverAllArgs{}),
		every(provider.ProbePeriod, provider.ProbeAllArgs{}),
		every(time.Minute, provider.KeyCheckAllArgs{}),
		every(time.Hour, notify.SweepArgs{}),
		every(15*time.Minute, egress.RefreshAllArgs{}),
		every(2*time.Minute, egress.CheckAllArgs{}),
		every(time.Minute, credit.RechargeArgs{}),
		every(time.Minute, credit.SweepArgs{}),
		every(time.Minute, credit.ExpireArgs{}),
		every(time.Minute, credit.AlertArgs{}),
		every(time.Hour, credit.WarnArgs{}),
		every(6*time.Hour, credit.VerifyArgs{}),
		every(time.Minute, usage.FoldArgs{}),
		every(time.Hour, usage.PartitionsArgs{}),
		every(time.Hour, usage.RetentionArgs{}),
		every(time.Hour, auth.SweepArgs{}),
	}
	if o.PriceCatalog {
		jobs = append(jobs, every(provider.PricesPeriod, provider.RefreshPricesArgs{}))
	}
	return jobs
}
