package backlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"go.uber.org/goleak"

	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/backlog"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/fault"
	"aihigress/internal/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

type sweepArgs struct{ Place string }

func (sweepArgs) Kind() string { return "sweep" }

type brewArgs struct{}

func (brewArgs) Kind() string { return "brew" }

type world struct {
	t       *testing.T
	pool    *pgxpool.Pool
	river   *river.Client[pgx.Tx]
	backlog *backlog.Backlog
	audit   *audit.Log
	ctx     context.Context // of an administrator
}

func newWorld(t *testing.T) *world {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		t.Fatal(err)
	}
	trail := audit.New(pool)
	admin := authz.With(t.Context(), authz.Actor{Kind: authz.User, Role: authz.Admin, Name: "admin@example.com"})
	return &world{t: t, pool: pool, river: client, backlog: backlog.New(pool, client, trail), audit: trail, ctx: admin}
}

func (w *world) insert(args river.JobArgs) int64 {
	w.t.Helper()
	made, err := w.river.Insert(w.t.Context(), args, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.Job.ID
}

// set puts a job into a state, as River would have it.
func (w *world) set(job int64, state backlog.State) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), `UPDATE river_job SET state = $2::text::river_job_state, attempt = 4, max_attempts = 4, attempted_at = now(),
		finalized_at = CASE WHEN $2 IN ('completed', 'cancelled', 'discarded') THEN now() END,
		errors = ARRAY['{"at":"2026-01-02T03:04:05Z","attempt":4,"error":"the broom broke","trace":""}'::jsonb] WHERE id = $1`, job, string(state)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) state(job int64) backlog.State {
	w.t.Helper()
	row, err := w.river.JobGet(w.t.Context(), job)
	if err != nil {
		w.t.Fatal(err)
	}
	return backlog.State(row.State)
}

func (w *world) list(f backlog.Filter, args page.Args) page.Page[backlog.Job] {
	w.t.Helper()
	p, err := w.backlog.List(w.ctx, f, args)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []int64
	for i := range 5 {
		all = append(all, w.insert(sweepArgs{Place: fmt.Sprint("yard ", i)}))
	}
	brew := w.insert(brewArgs{})
	w.set(all[1], backlog.Discarded)
	w.set(all[2], backlog.Running)

	var seen []int64
	after := ""
	for {
		p := w.list(backlog.Filter{}, page.Args{First: 4, After: after})
		for _, j := range p.Items {
			seen = append(seen, j.ID)
		}
		if after = p.End(); !p.HasNext {
			break
		}
	}
	if want := []int64{brew, all[4], all[3], all[2], all[1], all[0]}; !slices.Equal(seen, want) {
		t.Errorf("the pages have %v, want %v", seen, want)
	}
	if p := w.list(backlog.Filter{Kind: "brew"}, page.Args{}); len(p.Items) != 1 || p.Items[0].ID != brew || p.Items[0].State != backlog.Available {
		t.Errorf("of one kind: %+v", p.Items)
	}
	given := w.list(backlog.Filter{State: backlog.Discarded}, page.Args{}).Items
	if len(given) != 1 || given[0].ID != all[1] {
		t.Fatalf("given up: %+v", given)
	}
	if j := given[0]; j.Attempt != 4 || j.Of != 4 || j.EndedAt == nil || string(j.Args) != `{"Place": "yard 1"}` || len(j.Failures) != 1 || j.Failures[0].Error != "the broom broke" || j.Failures[0].Attempt != 4 {
		t.Errorf("a job that was given up: %+v", j)
	}
	for _, args := range []page.Args{{First: -1}, {After: "nonsense"}} {
		if _, err := w.backlog.List(w.ctx, backlog.Filter{}, args); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", args, err)
		}
	}
	if _, err := w.backlog.List(w.ctx, backlog.Filter{State: "lost"}, page.Args{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a state that is none: %v", err)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	job := w.insert(sweepArgs{})
	w.set(job, backlog.Discarded)
	step := func(what string, err error, want backlog.State) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := w.state(job); got != want {
			t.Errorf("%s: it is %s, want %s", what, got, want)
		}
	}
	step("retry what was given up", w.backlog.Retry(w.ctx, job), backlog.Available)
	step("cancel it", w.backlog.Cancel(w.ctx, job), backlog.Cancelled)
	w.set(job, backlog.Running)
	if err := w.backlog.Delete(w.ctx, job); !errors.Is(err, fault.Conflict) {
		t.Errorf("delete one that runs: %v", err)
	}
	w.set(job, backlog.Completed)
	if err := w.backlog.Delete(w.ctx, job); err != nil {
		t.Errorf("delete: %v", err)
	}
	for _, do := range []func(context.Context, int64) error{w.backlog.Retry, w.backlog.Cancel, w.backlog.Delete} {
		if err := do(w.ctx, job); !errors.Is(err, fault.NotFound) {
			t.Errorf("one that is not there: %v", err)
		}
	}
	events, err := w.audit.List(w.ctx, audit.Filter{Target: fmt.Sprint(job)}, page.Args{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range events.Items {
		actions = append(actions, e.Action)
	}
	if want := []string{"job.delete", "job.cancel", "job.retry"}; !slices.Equal(actions, want) {
		t.Errorf("recorded are %v, want %v", actions, want)
	}
}

func TestQueues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.pool.Exec(w.ctx, "INSERT INTO river_queue (name, updated_at) VALUES ('brooms', now()), ('kettles', now())"); err != nil {
		t.Fatal(err)
	}
	paused := func() (names []string) {
		t.Helper()
		queues, err := w.backlog.Queues(w.ctx)
		if err != nil || len(queues) != 2 {
			t.Fatalf("%+v: %v", queues, err)
		}
		for _, q := range queues {
			if q.PausedAt != nil {
				names = append(names, q.Name)
			}
		}
		return names
	}
	if err := w.backlog.SetPaused(w.ctx, "kettles", true); err != nil || !slices.Equal(paused(), []string{"kettles"}) {
		t.Errorf("paused are %v: %v", paused(), err)
	}
	if err := w.backlog.SetPaused(w.ctx, "kettles", false); err != nil || paused() != nil {
		t.Errorf("paused are %v: %v", paused(), err)
	}
	for _, name := range []string{"nobody's", "*"} {
		if err := w.backlog.SetPaused(w.ctx, name, true); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMembersSeeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	job := w.insert(sweepArgs{})
	ctx := authz.With(t.Context(), authz.Actor{Kind: authz.User, Role: authz.Member, Name: "member@example.com"})
	_, listed := w.backlog.List(ctx, backlog.Filter{}, page.Args{})
	_, queues := w.backlog.Queues(ctx)
	for what, err := range map[string]error{
		"list": listed, "queues": queues, "retry": w.backlog.Retry(ctx, job), "cancel": w.backlog.Cancel(ctx, job),
		"delete": w.backlog.Delete(ctx, job), "pause": w.backlog.SetPaused(ctx, "default", true),
	} {
		if !errors.Is(err, fault.Denied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if w.state(job) != backlog.Available {
		t.Errorf("the job is %s", w.state(job))
	}
}
