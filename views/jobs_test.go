package views_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

type sweepArgs struct{ Place string }

func (sweepArgs) Kind() string { return "sweep" }

// insertJob enqueues one that failed for good.
func (s *site) insertJob(ctx context.Context, t *testing.T) (job int64) {
	t.Helper()
	client, err := river.NewClient(riverpgxv5.New(s.pool), &river.Config{})
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		made, err := client.InsertTx(ctx, tx, sweepArgs{Place: "the <b>yard</b>"}, nil)
		if err != nil {
			return err
		}
		job = made.Job.ID
		_, err = tx.Exec(ctx, `UPDATE river_job SET state = 'discarded', finalized_at = now(), attempt = 4, max_attempts = 4,
			errors = ARRAY['{"at":"2026-01-02T03:04:05Z","attempt":4,"error":"the broom broke","trace":""}'::jsonb] WHERE id = $1`, job)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func TestJobs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.insertJob(t.Context(), t)
	if _, err := s.pool.Exec(t.Context(), "INSERT INTO river_queue (name, updated_at) VALUES ('brooms', now())"); err != nil {
		t.Fatal(err)
	}
	b := s.signIn(t, adminEmail)
	b.get("/jobs").is(200).shows("sweep", "Given up", "4 of 4", "the broom broke", "the &lt;b&gt;yard", "brooms", "Worked").hides("<b>yard")
	b.get("/jobs?state=completed").is(200).shows("Nothing found")
	b.get("/jobs?state=lost").is(422)
	at := fmt.Sprintf("/jobs/%d/", job)
	b.post(at+"retry", "state", "discarded").redirects("/jobs?state=discarded")
	b.get("/jobs?kind=sweep").is(200).shows("The job is tried again.", "Waiting").hides("Given up</span>")
	b.post(at + "cancel").redirects("/jobs")
	b.get("/jobs").shows("The job is cancelled.", "Cancelled")
	b.post("/queues/brooms", "paused", "on").redirects("/jobs")
	b.get("/jobs").shows("The queue is paused.", "Go on")
	b.post("/queues/brooms").redirects("/jobs")
	b.get("/jobs").shows("The queue goes on.", "Pause")
	b.post(at + "delete").redirects("/jobs")
	b.get("/jobs").shows("The job is deleted.").hides("sweep")
	b.post(at + "retry").is(404)
	b.post("/jobs/nonsense/retry").is(404)

	member := s.signIn(t, memberEmail)
	job = s.insertJob(t.Context(), t)
	member.get("/jobs").is(403).hides("sweep")
	member.post(fmt.Sprintf("/jobs/%d/retry", job)).is(403)
	member.post("/queues/brooms", "paused", "on").is(403)
}
