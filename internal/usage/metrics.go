package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
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
	err = db.Reading(ctx, r.pool, func(tx pgx.Tx) error {
		folded, err := r.q.GetLastFold(ctx, tx)
		if err != nil {
			return err
		}
		return set.read(ctx, tx, r.q, in.cut(set, owner, folded, now))
	})
	if err != nil {
		return SeriesSet{}, fmt.Errorf("read metrics: %w", err)
	}
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

// cut is what the range, the filter and the reader cut the counts to, and what they are grouped by.
func (in MetricsInput) cut(set SeriesSet, owner *id.User, folded, now time.Time) db.UsageCut {
	daysEnd, hoursEnd, quartersEnd := set.From, set.From, set.From
	// What may have come in after the last fold is read from the minutes.
	upTo := folded.Add(-foldMargin)
	if set.Step%time.Hour == 0 {
		hoursEnd = clamp(upTo.Truncate(time.Hour), set.From, set.To)
		quartersEnd = hoursEnd
	}
	if set.Step%quarter == 0 && keepsQuarters(hoursEnd, now) {
		quartersEnd = clamp(upTo.Truncate(quarter), hoursEnd, set.To)
	}
	if set.Step%day == 0 {
		daysEnd = clamp(hoursEnd.Truncate(day), set.From, set.To)
	}
	c := db.UsageCut{
		Days: []db.Range{{From: set.From, To: daysEnd}}, Hours: []db.Range{{From: daysEnd, To: hoursEnd}},
		Quarters: []db.Range{{From: hoursEnd, To: quartersEnd}}, Minutes: []db.Range{{From: quartersEnd, To: set.To}},
		Owner: bare(owner), UserID: bare(in.Filter.UserID), KeyID: bare(in.Filter.KeyID), ProviderID: bare(in.Filter.ProviderID),
		By: db.UsageBy{
			User: slices.Contains(in.GroupBy, ByUser), Key: slices.Contains(in.GroupBy, ByKey),
			Provider: slices.Contains(in.GroupBy, ByProvider), Model: slices.Contains(in.GroupBy, ByModel),
		},
	}
	if in.Filter.Model != "" {
		c.Model = &in.Filter.Model
	}
	return c
}

// from has the cut served by the sums that tell apart what it is cut and grouped by, or by all rows where there are no such sums.
func from(c db.UsageCut) db.UsageCut {
	by := c.By
	by.User = by.User || c.Owner != nil || c.UserID != nil
	by.Key = by.Key || c.KeyID != nil
	by.Provider = by.Provider || c.ProviderID != nil
	by.Model = by.Model || c.Model != nil
	if c.Dimension = SumsBy(by); c.Dimension == "" { // which have no quarters
		c.Minutes, c.Quarters = slices.Concat(c.Minutes, c.Quarters), nil
	}
	return c
}

// whole has the days within the hours of a cut served by days: for sums that no point in between is wanted of.
func whole(c db.UsageCut) db.UsageCut {
	var hours []db.Range
	for _, r := range c.Hours {
		first, end := r.From.Add(day-1).Truncate(day), r.To.Truncate(day)
		if !first.Before(end) {
			hours = append(hours, r)
			continue
		}
		c.Days = append(slices.Clip(c.Days), db.Range{From: first, To: end})
		hours = append(hours, db.Range{From: r.From, To: first}, db.Range{From: end, To: r.To})
	}
	c.Hours = hours
	return c
}

// read makes the series: of all together, and where that is grouped, of the largest groups; the others are what is left.
func (set *SeriesSet) read(ctx context.Context, tx pgx.Tx, q *db.Queries, c db.UsageCut) error {
	all := c
	all.By = db.UsageBy{}
	total := make([]bucket, set.To.Sub(set.From)/set.Step)
	err := q.EachUsage(ctx, tx, from(all), func(row *db.UsageRow) error { total[set.place(row)].merge(row); return nil })
	if err != nil {
		return err
	}
	if c.By == (db.UsageBy{}) {
		set.Series = []Series{{Points: set.points(total)}}
		return nil
	}
	grouped := from(c)
	if grouped.Among, err = q.RankUsage(ctx, tx, whole(grouped), MaxGroups); err != nil || len(grouped.Among) == 0 {
		return err
	}
	points := make(map[db.UsageGroup][]bucket, len(grouped.Among))
	for _, g := range grouped.Among {
		points[g] = make([]bucket, len(total))
	}
	err = q.EachUsage(ctx, tx, grouped, func(row *db.UsageRow) error {
		if of := points[groupOf(row.UsageGroup, c.By)]; of != nil {
			n := set.place(row)
			of[n].merge(row)
			total[n].counts.subtract(countsOf(row))
			total[n].times.subtract(Times{Duration: row.DurationHistogram, FirstToken: row.FirstTokenHistogram})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, g := range grouped.Among {
		set.Series = append(set.Series, Series{Group: named(g, c.By), Points: set.points(points[g])})
	}
	if slices.ContainsFunc(total, func(b bucket) bool { return b.counts.Requests > 0 }) {
		set.Series = append(set.Series, Series{Group: Group{Other: true}, Points: set.points(total)})
	}
	return nil
}

// place is the point that a row counts in.
func (set *SeriesSet) place(row *db.UsageRow) int { return int(row.StartedAt.Sub(set.From) / set.Step) }

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

func (set *SeriesSet) points(buckets []bucket) []Point {
	points := make([]Point, len(buckets))
	for i, b := range buckets {
		if !set.Costs {
			b.counts.Cost = 0
		}
		points[i] = Point{
			At: set.From.Add(time.Duration(i) * set.Step), Counts: b.counts,
			Duration: percentilesOf(b.times.Duration), FirstToken: percentilesOf(b.times.FirstToken),
		}
	}
	return points
}

// groupOf is the group that a row is of: what it is not grouped by is zero.
func groupOf(g db.UsageGroup, by db.UsageBy) db.UsageGroup {
	if !by.User {
		g.UserID = uuid.Nil
	}
	if !by.Key {
		g.KeyID = uuid.Nil
	}
	if !by.Provider {
		g.ProviderID = uuid.Nil
	}
	if !by.Model {
		g.Model = ""
	}
	return g
}

func named(of db.UsageGroup, by db.UsageBy) Group {
	var g Group
	if by.User {
		g.UserID = &id.User{UUID: of.UserID}
	}
	if by.Key {
		g.KeyID = &id.Key{UUID: of.KeyID}
	}
	if by.Provider {
		g.ProviderID = &id.Provider{UUID: of.ProviderID}
	}
	if by.Model {
		g.Model = &of.Model
	}
	return g
}
