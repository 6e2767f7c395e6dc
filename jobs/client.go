// Package jobs is the door through which the gateway itself comes in: it works what was enqueued, and what the schedule
// says, with River on the same Postgres. A worker calls one method of a domain package as the actor authz.Job(kind); there
// are no rules here.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"aihigress/internal/authz"
	"aihigress/internal/notify"
	"aihigress/internal/provider"
)

const (
	// jobTimeout is how long a job may run unless its worker says otherwise.
	jobTimeout = 2 * time.Minute
	// rescueAfter is when a job counts as left behind by a node that died. No job may run longer.
	rescueAfter = 15 * time.Minute
	// softStop is how long running jobs may go on when the node stops, before they are cancelled and left to another.
	softStop = 5 * time.Second
)

// Options are what the workers need. All are required but PriceCatalog.
type Options struct {
	Pool      *pgxpool.Pool // one connection of it is kept for LISTEN
	Log       *slog.Logger
	Providers Providers
	Egress    Egress
	Ledger    Ledger
	Reports   Reports
	Sessions  Sessions
	Inbox     Inbox
	Retention time.Duration // how long requests are kept
	// PriceCatalog has the price catalogue read again and again.
	PriceCatalog bool
}

// A Client works jobs.
type Client struct {
	river *river.Client[pgx.Tx]
	log   *slog.Logger
	kinds []string // that have a worker
}

// New makes a client that works every kind of job and, while it leads, enqueues what the schedule says.
func New(o Options) (*Client, error) {
	return newClient(o, schedule(o))
}

// newClient is New with a schedule; more registers workers beside the product's own.
func newClient(o Options, periodic []*river.PeriodicJob, more ...func(*registry)) (*Client, error) {
	r := &registry{workers: river.NewWorkers()}
	r.addAll(o)
	for _, add := range more {
		add(r)
	}
	if r.err != nil {
		return nil, fmt.Errorf("register workers: %w", r.err)
	}
	client, err := river.NewClient(riverpgxv5.New(o.Pool), &river.Config{
		Logger:               o.Log,
		Workers:              r.workers,
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 8}, provider.Queue: {MaxWorkers: 8}, notify.Queue: {MaxWorkers: 8}},
		PeriodicJobs:         periodic,
		ErrorHandler:         reporter{o.Log},
		Middleware:           []rivertype.Middleware{&actor{}},
		JobTimeout:           jobTimeout,
		RescueStuckJobsAfter: rescueAfter,
		SoftStopTimeout:      softStop,
	})
	if err != nil {
		return nil, fmt.Errorf("make job client: %w", err)
	}
	return &Client{river: client, log: o.Log, kinds: r.kinds}, nil
}

// NewInserter makes a client that enqueues jobs and works none: what domain packages are given.
func NewInserter(pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		return nil, fmt.Errorf("make job inserter: %w", err)
	}
	return client, nil
}

// Kinds lists the kinds of job that have a worker, sorted.
func (c *Client) Kinds() []string { return slices.Sorted(slices.Values(c.kinds)) }

// Start begins to work. Stop ends it; so does the end of ctx.
func (c *Client) Start(ctx context.Context) error {
	if err := c.river.Start(ctx); err != nil {
		return fmt.Errorf("start job client: %w", err)
	}
	return nil
}

// Stop takes no new jobs and waits for the running ones: some seconds, then they are cancelled and left to another node.
func (c *Client) Stop(ctx context.Context) error {
	if err := c.river.Stop(ctx); err != nil {
		return fmt.Errorf("stop job client: %w", err)
	}
	return nil
}

// actor lets every job act as itself, and tells River what its failure means.
type actor struct{ river.MiddlewareDefaults }

// Work is around each job's work.
func (*actor) Work(ctx context.Context, job *rivertype.JobRow, do func(context.Context) error) error {
	return outcome(ctx, job, do(authz.With(ctx, authz.Job(job.Kind))))
}
