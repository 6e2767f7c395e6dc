// Package backlog tells what the gateway has to do in the background, what it does and what came of it, and lets
// administrators act on it. The work itself is package jobs'.
package backlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/page"
)

// A State is how far a job is.
type State string

// The states. Of those that ended, Discarded failed too often.
const (
	Scheduled State = "scheduled" // for later
	Available State = "available"
	Running   State = "running"
	Retryable State = "retryable" // failed, and tried again later
	Completed State = "completed"
	Cancelled State = "cancelled"
	Discarded State = "discarded"
	Pending   State = "pending"
)

// States lists the states, as a job goes through them.
func States() []State {
	return []State{Pending, Scheduled, Available, Running, Retryable, Completed, Cancelled, Discarded}
}

// Ended reports whether nothing becomes of a job any more, unless it is tried again.
func (s State) Ended() bool { return s == Completed || s == Cancelled || s == Discarded }

// A Job is one piece of work.
type Job struct {
	ID          int64
	Kind, Queue string
	State       State
	Attempt, Of int
	Args        json.RawMessage
	CreatedAt   time.Time
	ScheduledAt time.Time
	EndedAt     *time.Time
	Failures    []Failure // oldest first
}

// A Failure is how an attempt ended.
type Failure struct {
	Attempt int
	At      time.Time
	Error   string
}

// A Queue is worked by every node.
type Queue struct {
	Name     string
	PausedAt *time.Time
}

// maxQueues bounds the list of queues. There are three.
const maxQueues = 100

// A Backlog is all jobs.
type Backlog struct {
	pool  *pgxpool.Pool
	river *river.Client[pgx.Tx]
	audit *audit.Log
}

// New makes a Backlog. The client need not work jobs itself.
func New(pool *pgxpool.Pool, client *river.Client[pgx.Tx], log *audit.Log) *Backlog {
	return &Backlog{pool: pool, river: client, audit: log}
}

// A Filter cuts the list. Zero fields do not cut.
type Filter struct {
	State State
	Kind  string
}

// List is a page of jobs, newest first.
func (b *Backlog) List(ctx context.Context, f Filter, args page.Args) (page.Page[Job], error) {
	var none page.Page[Job]
	if _, err := authz.Require(ctx, authz.JobRead); err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	states := States()
	if f.State != "" {
		if !slices.Contains(states, f.State) {
			return none, fault.Field("state", "state is none of a job")
		}
		states = []State{f.State}
	}
	params := river.NewJobListParams().OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(size + 1)
	asked := make([]rivertype.JobState, len(states))
	for i, s := range states {
		asked[i] = rivertype.JobState(s)
	}
	params = params.States(asked...)
	if f.Kind != "" {
		params = params.Kinds(f.Kind)
	}
	var last int64
	if after, err := page.Decode(args.After, &last); err != nil {
		return none, err
	} else if after {
		params = params.After(river.JobListCursorFromJob(&rivertype.JobRow{ID: last}))
	}
	found, err := b.river.JobList(ctx, params)
	if err != nil {
		return none, fmt.Errorf("list jobs: %w", db.Classify(err))
	}
	jobs := make([]Job, len(found.Jobs))
	for i, row := range found.Jobs {
		jobs[i] = fromRow(row)
	}
	return page.New(jobs, size, func(j Job) string { return page.Encode(j.ID) }), nil
}

// Queues lists the queues by name.
func (b *Backlog) Queues(ctx context.Context) ([]Queue, error) {
	if _, err := authz.Require(ctx, authz.JobRead); err != nil {
		return nil, err
	}
	found, err := b.river.QueueList(ctx, river.NewQueueListParams().First(maxQueues))
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", db.Classify(err))
	}
	queues := make([]Queue, len(found.Queues))
	for i, q := range found.Queues {
		queues[i] = Queue{Name: q.Name, PausedAt: q.PausedAt}
	}
	return queues, nil
}

// Retry has a job tried again at once, whatever became of it. One that runs goes on.
func (b *Backlog) Retry(ctx context.Context, job int64) error {
	if _, err := authz.Require(ctx, authz.JobWrite); err != nil {
		return err
	}
	return b.change(ctx, "job.retry", job, b.river.JobRetryTx)
}

// Cancel ends a job: it is not tried again, and where it runs it is told to end.
func (b *Backlog) Cancel(ctx context.Context, job int64) error {
	if _, err := authz.Require(ctx, authz.JobWrite); err != nil {
		return err
	}
	return b.change(ctx, "job.cancel", job, b.river.JobCancelTx)
}

// Delete forgets a job that does not run.
func (b *Backlog) Delete(ctx context.Context, job int64) error {
	if _, err := authz.Require(ctx, authz.JobWrite); err != nil {
		return err
	}
	return b.change(ctx, "job.delete", job, b.river.JobDeleteTx)
}

func (b *Backlog) change(ctx context.Context, action string, job int64, do func(context.Context, pgx.Tx, int64) (*rivertype.JobRow, error)) error {
	return db.InTx(ctx, b.pool, func(tx pgx.Tx) error {
		row, err := do(ctx, tx, job)
		switch {
		case errors.Is(err, rivertype.ErrNotFound):
			return fault.New(fault.NotFound, "There is no such job.")
		case errors.Is(err, rivertype.ErrJobRunning):
			return fault.New(fault.Conflict, "A job that runs cannot be deleted. Cancel it first.")
		case err != nil:
			return fmt.Errorf("%s: %w", action, db.Classify(err))
		}
		return b.audit.Record(ctx, tx, action, strconv.FormatInt(job, 10), map[string]any{"kind": row.Kind})
	})
}

// SetPaused has every node take no more jobs of a queue, or take them again. Those that run go on.
func (b *Backlog) SetPaused(ctx context.Context, queue string, paused bool) error {
	if _, err := authz.Require(ctx, authz.JobWrite); err != nil {
		return err
	}
	action, do := "queue.resume", b.river.QueueResumeTx
	if paused {
		action, do = "queue.pause", b.river.QueuePauseTx
	}
	return db.InTx(ctx, b.pool, func(tx pgx.Tx) error {
		if _, err := b.river.QueueGetTx(ctx, tx, queue); errors.Is(err, rivertype.ErrNotFound) { // or "*", which is all
			return fault.New(fault.NotFound, "There is no such queue.")
		} else if err != nil {
			return fmt.Errorf("%s: %w", action, db.Classify(err))
		}
		if err := do(ctx, tx, queue, nil); err != nil {
			return fmt.Errorf("%s: %w", action, db.Classify(err))
		}
		return b.audit.Record(ctx, tx, action, queue, nil)
	})
}

func fromRow(row *rivertype.JobRow) Job {
	j := Job{
		ID: row.ID, Kind: row.Kind, Queue: row.Queue, State: State(row.State), Attempt: row.Attempt, Of: row.MaxAttempts,
		Args: row.EncodedArgs, CreatedAt: row.CreatedAt, ScheduledAt: row.ScheduledAt, EndedAt: row.FinalizedAt,
	}
	for _, e := range row.Errors {
		j.Failures = append(j.Failures, Failure{Attempt: e.Attempt, At: e.At, Error: e.Error})
	}
	return j
}
