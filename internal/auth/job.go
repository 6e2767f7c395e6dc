package auth

import (
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// SweepArgs is the periodic job that calls Auth.Sweep.
type SweepArgs struct{}

// Kind names the job.
func (SweepArgs) Kind() string { return "session_cleanup" }

// InsertOpts lets one such job wait or run at a time. The schedule brings the next, so a failed one is soon
// given up.
func (SweepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: 3,
		UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
			rivertype.JobStateRunning, rivertype.JobStateScheduled,
		}},
	}
}
