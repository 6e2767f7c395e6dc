package jobs

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"aihigress/internal/fault"
)

// tickArgs is a periodic job without any uniqueness of its own, so that only the leader's election keeps it from doubling.
type tickArgs struct{}

func (tickArgs) Kind() string { return "tick" }

// holdArgs is a job that runs until it is told to end.
type holdArgs struct{}

func (holdArgs) Kind() string { return "hold" }

func with[T river.JobArgs](work func(context.Context, *river.Job[T]) error) func(*registry) {
	return func(r *registry) { register(r, river.WorkFunc(work)) }
}

func TestTwoNodesDoNotDoubleTheSchedule(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	const period = time.Second
	ticked := make(chan time.Time, 100)
	for range 2 {
		periodic := river.NewPeriodicJob(river.PeriodicInterval(period), func() (river.JobArgs, *river.InsertOpts) { return tickArgs{}, nil }, nil)
		c, err := newClient(options(pool, &domain{}), []*river.PeriodicJob{periodic}, with(func(_ context.Context, job *river.Job[tickArgs]) error {
			ticked <- job.CreatedAt
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		start(t, c)
	}
	var before time.Time
	for range 4 {
		select {
		case at := <-ticked:
			if gap := at.Sub(before); gap < period/2 && !before.IsZero() {
				t.Errorf("two jobs of one period: %s apart", gap)
			}
			before = at
		case <-time.After(20 * time.Second):
			t.Fatal("the schedule stands still")
		}
	}
	var leaders int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM river_leader").Scan(&leaders); err != nil || leaders != 1 {
		t.Errorf("%d leaders: %v", leaders, err)
	}
}

// A node that stops cancels what does not end in time; another takes it at once, and no attempt is lost.
func TestStoppedNodesWorkIsTakenUp(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	first := make(chan struct{})
	var runs atomic.Int32
	hold := with(func(ctx context.Context, _ *river.Job[holdArgs]) error {
		if runs.Add(1) > 1 {
			return nil
		}
		close(first)
		<-ctx.Done()
		return ctx.Err()
	})
	a, err := newClient(options(pool, &domain{}), nil, hold)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	inserted, err := a.river.Insert(t.Context(), holdArgs{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-first
	b, err := newClient(options(pool, &domain{}), nil, hold)
	if err != nil {
		t.Fatal(err)
	}
	events, cancel := b.river.Subscribe(river.EventKindJobCompleted)
	defer cancel()
	start(t, b)
	if err := a.river.StopAndCancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := next(t, events); e.Job.ID != inserted.Job.ID || e.Job.Attempt != 1 || e.Job.AttemptedBy[len(e.Job.AttemptedBy)-1] != b.river.ID() {
		t.Errorf("%+v", e.Job)
	}
}

// A node that was killed cannot give its work back: whoever leads finds it.
func TestKilledNodesWorkIsTakenUp(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	c, err := newClient(options(pool, &domain{}), nil, with(func(context.Context, *river.Job[holdArgs]) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	inserted, err := c.river.Insert(t.Context(), holdArgs{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pool.Exec(t.Context(), `UPDATE river_job SET state = 'running', attempt = 1, attempted_by = '{dead}', attempted_at = now() - $2::text::interval WHERE id = $1`,
		inserted.Job.ID, (rescueAfter + time.Minute).String())
	if err != nil {
		t.Fatal(err)
	}
	events, cancel := c.river.Subscribe(river.EventKindJobCompleted)
	defer cancel()
	start(t, c)
	if e := next(t, events); e.Job.ID != inserted.Job.ID || e.Job.Attempt != 2 {
		t.Errorf("%+v", e.Job)
	}
}

func TestFailuresMeanWhatTheirKindSays(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	failures := make(chan error, 1)
	c, err := newClient(options(pool, &domain{}), nil, with(func(context.Context, *river.Job[holdArgs]) error { return <-failures }))
	if err != nil {
		t.Fatal(err)
	}
	events, cancel := c.river.Subscribe(river.EventKindJobCancelled, river.EventKindJobSnoozed, river.EventKindJobFailed)
	defer cancel()
	start(t, c)
	for name, tc := range map[string]struct {
		err  error
		want river.EventKind
	}{
		"invalid":         {fault.Invalid, river.EventKindJobCancelled},
		"not found":       {fault.New(fault.NotFound, "gone"), river.EventKindJobCancelled},
		"conflict":        {fault.Conflict, river.EventKindJobCancelled},
		"denied":          {fault.Denied, river.EventKindJobCancelled},
		"unauthenticated": {fault.Unauthenticated, river.EventKindJobCancelled},
		"limited":         {fault.New(fault.Limited, "wait").After(10 * time.Minute), river.EventKindJobSnoozed},
		"exhausted":       {fault.Exhausted, river.EventKindJobSnoozed},
		"upstream":        {fault.Upstream, river.EventKindJobFailed},
		"internal":        {errors.New("bug"), river.EventKindJobFailed},
	} {
		failures <- tc.err
		inserted, err := c.river.Insert(t.Context(), holdArgs{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if e := next(t, events); e.Kind != tc.want || e.Job.ID != inserted.Job.ID {
			t.Errorf("%s: %s", name, e.Kind)
		}
		row := jobRow(t, c, inserted.Job.ID)
		if wait := time.Until(row.ScheduledAt); name == "limited" && (wait < 9*time.Minute || wait > 10*time.Minute) {
			t.Errorf("a limited job waits %s", wait)
		}
		if _, err := pool.Exec(t.Context(), "DELETE FROM river_job WHERE id = $1", inserted.Job.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingSnoozesForever(t *testing.T) {
	t.Parallel()
	old := &rivertype.JobRow{CreatedAt: time.Now().Add(-snoozeFor - time.Minute)}
	if _, cancelled := errors.AsType[*river.JobCancelError](outcome(t.Context(), old, fault.Limited)); !cancelled {
		t.Error("a day of waiting was not enough")
	}
	young := &rivertype.JobRow{CreatedAt: time.Now()}
	snoozed, ok := errors.AsType[*river.JobSnoozeError](outcome(t.Context(), young, fault.New(fault.Limited, "wait").After(100*time.Hour)))
	if !ok || snoozed.Duration != maxSnooze {
		t.Errorf("%v", snoozed)
	}
}
