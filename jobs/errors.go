package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"aihigress/internal/fault"
)

const (
	// snooze is how long a job waits that was told no better.
	snooze = time.Minute
	// maxSnooze bounds one wait.
	maxSnooze = time.Hour
	// snoozeFor is how old a job grows by waiting: snoozes count as no attempts.
	snoozeFor = 24 * time.Hour
)

// outcome turns the error of a job's work into what River does next: the one place where kinds of failure become that.
// What nobody can mend by trying again is cancelled, what must wait waits, all else is retried up to its attempts.
func outcome(ctx context.Context, job *rivertype.JobRow, err error) error {
	if err == nil {
		return nil
	}
	// The node stops: another takes the job at once, and the attempt does not count.
	if errors.Is(ctx.Err(), context.Canceled) && !errors.Is(context.Cause(ctx), rivertype.ErrJobCancelledRemotely) {
		return river.JobSnooze(0)
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Conflict, fault.Unauthenticated, fault.Denied, fault.NotFound:
		return river.JobCancel(err)
	case fault.Exhausted, fault.Limited:
		if time.Since(job.CreatedAt) > snoozeFor {
			return river.JobCancel(err)
		}
		wait := snooze
		if failure, ok := fault.As(err); ok && failure.Retry > 0 {
			wait = min(failure.Retry, maxSnooze)
		}
		return river.JobSnooze(wait)
	}
	return err
}

// reporter logs what went wrong. It changes nothing.
type reporter struct{ log *slog.Logger }

// HandleError logs a failed attempt: a warning while there is another.
func (r reporter) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	level := slog.LevelWarn
	if _, cancelled := errors.AsType[*rivertype.JobCancelError](err); cancelled || job.Attempt >= job.MaxAttempts {
		level = slog.LevelError
	}
	r.log.Log(ctx, level, "job failed", "kind", job.Kind, "job", job.ID, "attempt", job.Attempt, "of", job.MaxAttempts, "error", err)
	return nil
}

// HandlePanic logs a mistake of the program. The job is retried like any other.
func (r reporter) HandlePanic(ctx context.Context, job *rivertype.JobRow, panicked any, trace string) *river.ErrorHandlerResult {
	r.log.ErrorContext(ctx, "job panicked", "kind", job.Kind, "job", job.ID, "attempt", job.Attempt, "panic", panicked, "trace", trace)
	return nil
}
