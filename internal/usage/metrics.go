package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// MaxPoints is how many points a series has at most.
	MaxPoints = 2000
	// MaxGroups is how many groups metrics tell apart; the others are one series together.
	MaxGroups = 10
)

// A Dimension is what metrics are grouped by.
type Dimension int

// The dimensions.
const (
	ByUser Dimension = iota
	ByKey
	ByProvider
	ByModel
)

// MetricsInput asks for metrics.
type MetricsInput struct {
	From, To time.Time
	// Step is a number of minutes; zero picks one that fits the range. Where the range reaches back to when only hours are
	// kept, it is rounded up to hours.
	Step    time.Duration
	GroupBy []Dimension
	Filter  MetricFilter
}

// A SeriesSet is the answer: for each group its points, at the same times in all.
type SeriesSet struct {
	From, To time.Time // widened to whole steps
	Step     time.Duration
	Series   []Series // most requests first, the rest behind; one without any group where nothing was grouped
	Costs    bool     // whether the reader may know them; where not, they are zero
}

// A Series is one group's points.
type Series struct {
	Group  Group
	Points []Point
}

// A Group names what a series is of. What metrics are not grouped by is nil.
type Group struct {
	UserID     *id.User
	KeyID      *id.Key
	ProviderID *id.Provider // zero for requests that were never sent
	Model      *string
	Other      bool // all groups beyond MaxGroups together
}

// A Point is what a group did from At on, for one step.
type Point struct {
	At time.Time
	Counts
	Duration   Percentiles
	FirstToken Percentiles
}

// Metrics are the counts of a range of time, with zeros where there was nothing, cut to what the reader may see.
func (r *Reports) Metrics(ctx context.Context, in MetricsInput) (SeriesSet, error) {
	grant, err := authz.Require(ctx, authz.MetricsRead)
	if err != nil {
		return SeriesSet{}, err
	}
	_, err = authz.Require(ctx, authz.CostRead)
	return r.metrics(ctx, in, grant.Filter(), err == nil, time.Now())
}

func (r *Reports) metrics(ctx context.Context, in MetricsInput, owner *id.User, costs bool, now time.Time) (SeriesSet, error) {
	if clean([]byte(in.Filter.Model)) != in.Filter.Model {
		return SeriesSet{}, fault.Field("model", "the model is not valid text")
	}
	set, err := in.frame(now)
	if err != nil {
		return SeriesSet{}, err
	}
	set.Costs = costs
	folded, err := r.q.GetLastFold(ctx, r.pool)
	if err != nil {
		return SeriesSet{}, fmt.Errorf("read the last fold: %w", db.Classify(err))
	}
	rows, err := r.q.ListUsageSeries(ctx, r.pool, in.params(set, owner, folded))
	if err != nil {
		return SeriesSet{}, fmt.Errorf("read metrics: %w", db.Classify(err))
	}
	set.fill(rows, in.GroupBy)
	return set, nil
}

// steps are what Step is picked from: the smallest that gives at most autoPoints.
var steps = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, day, 7 * day, 30 * day,
}

const autoPoints = 200

// frame checks the range and cuts it into steps, which begin at whole multiples of their length in UTC.
func (in MetricsInput) frame(now time.Time) (SeriesSet, error) {
	if !in.From.Before(in.To) {
		return SeriesSet{}, fault.Field("range", "the range must end after it begins")
	}
	step := in.Step
	if step == 0 {
		i := slices.IndexFunc(steps, func(s time.Duration) bool { return in.To.Sub(in.From)/s <= autoPoints })
		if i < 0 {
			i = len(steps) - 1
		}
		step = steps[i]
	}
	if step < time.Minute || step%time.Minute != 0 {
		return SeriesSet{}, fault.Field("step", "the step must be a number of whole minutes")
	}
	if in.From.Before(now.Add(-foldReach)) && step%time.Hour != 0 {
		step = step.Truncate(time.Hour) + time.Hour
	}
	set := SeriesSet{From: in.From.UTC().Truncate(step), To: in.To.UTC().Truncate(step), Step: step}
	if set.To.Before(in.To) {
		set.To = set.To.Add(step)
	}
	if n := set.To.Sub(set.From) / step; n > MaxPoints {
		return SeriesSet{}, fault.Field("step", "this step gives %d points, and the most is %d", n, MaxPoints)
	}
	return set, nil
}

func (in MetricsInput) params(set SeriesSet, owner *id.User, folded time.Time) db.ListUsageSeriesParams {
	hoursEnd, daysEnd := set.From, set.From
	if set.Step%time.Hour == 0 {
		// What may have come in after the last fold is read from the minutes.
		hoursEnd = clamp(folded.Add(-foldMargin).Truncate(time.Hour), set.From, set.To)
	}
	if set.Step%day == 0 {
		daysEnd = clamp(hoursEnd.Truncate(day), set.From, set.To)
	}
	p := db.ListUsageSeriesParams{
		Step:     pgtype.Interval{Microseconds: set.Step.Microseconds(), Valid: true},
		FromTime: set.From, ToTime: set.To, DaysEnd: daysEnd, HoursEnd: hoursEnd,
		ByUser: slices.Contains(in.GroupBy, ByUser), ByKey: slices.Contains(in.GroupBy, ByKey),
		ByProvider: slices.Contains(in.GroupBy, ByProvider), ByModel: slices.Contains(in.GroupBy, ByModel),
		Owner: bare(owner), UserID: bare(in.Filter.UserID), ApiKeyID: bare(in.Filter.KeyID),
		ProviderID: bare(in.Filter.ProviderID), MaxGroups: MaxGroups, RowLimit: (MaxGroups + 1) * MaxPoints,
	}
	if in.Filter.Model != "" {
		p.Model = &in.Filter.Model
	}
	return p
}

func clamp(t, low, high time.Time) time.Time {
	switch {
	case t.Before(low):
		return low
	case t.After(high):
		return high
	}
	return t
}

// bare is the UUID of an optional identifier.
func bare[T ~struct{ uuid.UUID }](v *T) *uuid.UUID {
	if v == nil {
		return nil
	}
	u := struct{ uuid.UUID }(*v).UUID
	return &u
}

// fill makes the series, with zeros where there is no row. Rows come by place, 0 being the others, and time.
func (set *SeriesSet) fill(rows []db.ListUsageSeriesRow, by []Dimension) {
	var others []Series
	place := int32(-1)
	for _, row := range rows {
		if row.Place != place {
			place = row.Place
			s := Series{Group: groupOf(row, by), Points: set.zeros()}
			if place == 0 {
				others = append(others, s)
			} else {
				set.Series = append(set.Series, s)
			}
		}
		current := set.Series
		if place == 0 {
			current = others
		}
		points := current[len(current)-1].Points
		points[row.At.Sub(set.From)/set.Step] = pointOf(row, set.Costs)
	}
	set.Series = append(set.Series, others...)
	if len(set.Series) == 0 && len(by) == 0 {
		set.Series = []Series{{Points: set.zeros()}}
	}
}

func (set *SeriesSet) zeros() []Point {
	points := make([]Point, set.To.Sub(set.From)/set.Step)
	for i := range points {
		points[i].At = set.From.Add(time.Duration(i) * set.Step)
	}
	return points
}

func groupOf(row db.ListUsageSeriesRow, by []Dimension) Group {
	if row.Place == 0 {
		return Group{Other: true}
	}
	var g Group
	for _, d := range by {
		switch d {
		case ByUser:
			g.UserID = &id.User{UUID: row.UserID}
		case ByKey:
			g.KeyID = &id.Key{UUID: row.ApiKeyID}
		case ByProvider:
			g.ProviderID = &id.Provider{UUID: row.ProviderID}
		case ByModel:
			g.Model = &row.Model
		}
	}
	return g
}

func pointOf(row db.ListUsageSeriesRow, costs bool) Point {
	p := Point{At: row.At.UTC(), Counts: Counts{
		Requests: row.Requests, Errors: row.Errors, Refused: row.Refused, Unpriced: row.Unpriced, Input: row.InputTokens,
		CachedInput: row.CachedInputTokens, CacheWrite: row.CacheWriteTokens, Output: row.OutputTokens,
		Reasoning: row.ReasoningTokens, Charge: money.Amount(row.Charge),
	}}
	if costs {
		p.Cost = money.Amount(row.Cost)
	}
	var duration, firstToken Histogram
	for i, bucket := range row.Buckets {
		duration.count(int(bucket), row.Duration[i])
		firstToken.count(int(bucket), row.FirstToken[i])
	}
	p.Duration, p.FirstToken = percentilesOf(duration), percentilesOf(firstToken)
	return p
}
