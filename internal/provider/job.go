package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
)

// Queue is where jobs wait that call vendors, apart from those that keep the books: a slow vendor holds up only its like.
const Queue = "upstream"

// unfinished are the states of a job that is still to be done: of a provider's one kind of job there is one at a time.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// InsertOpts are those of a job that calls out for one thing: it waits in Queue, and there is one of its kind at a time for the
// same arguments.
func InsertOpts(maxAttempts int) river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: maxAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}}
}

// DiscoverArgs is the job that does Discover for one provider.
type DiscoverArgs struct {
	ProviderID id.Provider `json:"provider_id"`
	Change     time.Time   `json:"change,omitzero"` // as with ProbeArgs
}

// Kind names the job.
func (DiscoverArgs) Kind() string { return "provider_discover" }

// InsertOpts: a vendor that is away for long is asked again by the next round.
func (DiscoverArgs) InsertOpts() river.InsertOpts { return InsertOpts(4) }

// ProbeArgs is the job that does Probe for one provider.
type ProbeArgs struct {
	ProviderID id.Provider `json:"provider_id"`
	// Change is when something changed that the job has to look at anew: such a job is one of its own, since one that is at it
	// already may have read what was there before. Zero where a round or a person asks.
	Change time.Time `json:"change,omitzero"`
}

// Kind names the job.
func (ProbeArgs) Kind() string { return "provider_probe" }

// InsertOpts: a probe is worth little once the next one is due.
func (ProbeArgs) InsertOpts() river.InsertOpts { return InsertOpts(2) }

// DiscoverAllArgs is the periodic job that enqueues DiscoverArgs for every enabled provider.
type DiscoverAllArgs struct{}

// Kind names the job.
func (DiscoverAllArgs) Kind() string { return "provider_discover_all" }

// InsertOpts lets a period have one, whoever leads.
func (DiscoverAllArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByPeriod: time.Hour}}
}

// ProbeAllArgs is the periodic job that enqueues ProbeArgs for every enabled provider.
type ProbeAllArgs struct{}

// Kind names the job.
func (ProbeAllArgs) Kind() string { return "provider_probe_all" }

// InsertOpts lets a period have one, whoever leads.
func (ProbeAllArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByPeriod: time.Minute}}
}

// KeyCheckArgs is the job that does CheckKey for one key.
type KeyCheckArgs struct {
	KeyID id.ProviderKey `json:"key_id" river:"unique"`
	// Until is when the vendor said that the key may be used again; zero where it did not.
	Until time.Time `json:"until,omitzero"`
}

// Kind names the job.
func (KeyCheckArgs) Kind() string { return "provider_key_check" }

// InsertOpts: a vendor that is away says nothing of the key, so it is asked again.
func (KeyCheckArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: 4, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}}
}

// KeyCheckAllArgs is the periodic job that enqueues KeyCheckArgs for every disabled key whose time has come.
type KeyCheckAllArgs struct{}

// Kind names the job.
func (KeyCheckAllArgs) Kind() string { return "provider_key_check_all" }

// InsertOpts lets a period have one, whoever leads.
func (KeyCheckAllArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByPeriod: 30 * time.Second}}
}

// PricesPeriod is how often the price catalogue is read.
const PricesPeriod = 6 * time.Hour

// RefreshPricesArgs is the periodic job that does RefreshPrices.
type RefreshPricesArgs struct{}

// Kind names the job.
func (RefreshPricesArgs) Kind() string { return "price_refresh" }

// InsertOpts: what fails is tried by the next round.
func (RefreshPricesArgs) InsertOpts() river.InsertOpts { return InsertOpts(2) }

// RequestDiscovery has a provider's models discovered soon.
func (p *Providers) RequestDiscovery(ctx context.Context, provider id.Provider) error {
	return p.request(ctx, provider, DiscoverArgs{ProviderID: provider})
}

// RequestProbe has a provider probed soon.
func (p *Providers) RequestProbe(ctx context.Context, provider id.Provider) error {
	return p.request(ctx, provider, ProbeArgs{ProviderID: provider})
}

func (p *Providers) request(ctx context.Context, provider id.Provider, args river.JobArgs) error {
	grant, err := authz.Require(ctx, authz.ProviderProbe)
	if err != nil {
		return err
	}
	row, err := p.q.GetProvider(ctx, p.pool, provider)
	if err != nil {
		return fmt.Errorf("get provider: %w", db.Classify(err))
	}
	if err := maySee(grant, row); err != nil {
		return err
	}
	if _, err := p.jobs.Insert(ctx, args, nil); err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}

// enqueueTx has a provider that was changed discovered and probed once the transaction is committed.
func (p *Providers) enqueueTx(ctx context.Context, tx pgx.Tx, provider id.Provider) error {
	change := time.Now()
	for _, args := range []river.JobArgs{DiscoverArgs{provider, change}, ProbeArgs{provider, change}} {
		if _, err := p.jobs.InsertTx(ctx, tx, args, nil); err != nil {
			return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
		}
	}
	return nil
}

// DiscoverAll enqueues a discovery of every enabled provider and counts them.
func (p *Providers) DiscoverAll(ctx context.Context) (int, error) {
	return p.each(ctx, func(provider id.Provider) (river.JobArgs, error) { return DiscoverArgs{ProviderID: provider}, nil })
}

// ProbeAll enqueues a probe of every enabled provider that live traffic says nothing good of, and counts them.
func (p *Providers) ProbeAll(ctx context.Context) (int, error) {
	return p.each(ctx, func(provider id.Provider) (river.JobArgs, error) {
		answers, err := p.answers(ctx, provider)
		if err != nil || answers {
			return nil, err
		}
		return ProbeArgs{ProviderID: provider}, nil
	})
}

// each enqueues what args gives for each enabled provider; nil is nothing.
func (p *Providers) each(ctx context.Context, args func(id.Provider) (river.JobArgs, error)) (n int, err error) {
	if _, err := authz.Require(ctx, authz.ProviderProbe); err != nil {
		return 0, err
	}
	var after id.Provider
	for {
		ids, err := p.q.EnabledProviderIDs(ctx, p.pool, db.EnabledProviderIDsParams{After: after, RowLimit: MaxBatch})
		if err != nil {
			return n, fmt.Errorf("list providers: %w", db.Classify(err))
		}
		for _, provider := range ids {
			job, err := args(provider)
			if err != nil {
				return n, err
			}
			if job == nil {
				continue
			}
			if _, err := p.jobs.Insert(ctx, job, nil); err != nil {
				return n, fmt.Errorf("enqueue %s: %w", job.Kind(), err)
			}
			n++
		}
		if len(ids) < MaxBatch {
			return n, nil
		}
		after = ids[len(ids)-1]
	}
}
