package usage

import (
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// FoldArgs is the periodic job that folds minutes into hours and days.
type FoldArgs struct{}

// Kind names the job.
func (FoldArgs) Kind() string { return "usage_fold" }

// InsertOpts lets one such job wait or run at a time. The schedule brings the next, so a failed one is soon
// given up.
func (FoldArgs) InsertOpts() river.InsertOpts { return upkeep() }

// PartitionsArgs is the periodic job that makes the request log's days ahead.
type PartitionsArgs struct{}

// Kind names the job.
func (PartitionsArgs) Kind() string { return "usage_partitions" }

// InsertOpts lets one such job wait or run at a time.
func (PartitionsArgs) InsertOpts() river.InsertOpts { return upkeep() }

// RetentionArgs is the periodic job that drops the request log's days that are older than is kept.
type RetentionArgs struct{}

// Kind names the job.
func (RetentionArgs) Kind() string { return "usage_retention" }

// InsertOpts lets one such job wait or run at a time.
func (RetentionArgs) InsertOpts() river.InsertOpts { return upkeep() }

func upkeep() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: 3,
		UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
			rivertype.JobStateRunning, rivertype.JobStateScheduled,
		}},
	}
}
