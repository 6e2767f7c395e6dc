package usage

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// foldMargin is how far before the last fold the next looks for changed minutes. A change is stamped within its
	// transaction and seen after its commit, at most bookTimeout later; the margin is well above that.
	foldMargin = 5 * time.Minute
	// foldReach is how old an hour may be to be folded again. It ends a day before minutes are deleted, so that no hour is
	// made anew from a part of its minutes.
	foldReach = minuteRetention - day
	// foldChunk is how many rows one statement writes.
	foldChunk = 500

	quarter = 15 * time.Minute
)

// Fold recomputes quarters and hours from minutes, and the days that have ended from hours, where something came in since the last
// fold, however late it was. What is folded twice comes out the same.
func (r *Reports) Fold(ctx context.Context) error {
	if _, err := authz.Require(ctx, authz.UsageBook); err != nil {
		return err
	}
	return r.fold(ctx, time.Now())
}

func (r *Reports) fold(ctx context.Context, now time.Time) error {
	if err := r.foldChanged(ctx, now); err != nil {
		return fmt.Errorf("fold usage: %w", db.Classify(err))
	}
	return nil
}

// foldChanged folds an hour or a day in a transaction each. Where it is ended in the middle, the next begins anew, but for foldOld.
func (r *Reports) foldChanged(ctx context.Context, now time.Time) error {
	last, err := r.q.GetLastFold(ctx, r.pool)
	if err != nil {
		return fmt.Errorf("read the last fold: %w", err)
	}
	begin, err := r.q.Now(ctx, r.pool)
	if err != nil {
		return err
	}
	since, oldest := Unfolded(last, now)
	changed, err := r.q.ChangedHours(ctx, r.pool, db.ChangedHoursParams{ChangedSince: since, Oldest: oldest})
	if err != nil {
		return fmt.Errorf("find changed hours: %w", err)
	}
	// A day is folded once it is over, though nothing may change in it from then on.
	days := map[time.Time]bool{since.UTC().Truncate(day): true}
	for _, hour := range changed {
		days[hour.UTC().Truncate(day)] = true
		if err := r.foldHour(ctx, hour.UTC(), now); err != nil {
			return fmt.Errorf("hour %s: %w", hour.UTC(), err)
		}
	}
	if last.Before(oldest) { // hours and days of a release that kept no sums, which ran before this one or in between
		if err := r.foldOld(ctx, oldest); err != nil {
			return err
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(days), time.Time.Compare) {
		if !d.Add(day).After(begin) {
			if err := r.foldDay(ctx, d); err != nil {
				return fmt.Errorf("day %s: %w", d, err)
			}
		}
	}
	return r.q.SetLastFold(ctx, r.pool, begin)
}

// foldOld makes the sums of hours before a time, whose minutes are gone, and of their days. There may be more of them than one
// job has time for: where it is ended in the middle, the next goes on with the day that it was at.
func (r *Reports) foldOld(ctx context.Context, before time.Time) error {
	hours, err := r.q.HoursWithoutSums(ctx, r.pool, before)
	if err != nil {
		return fmt.Errorf("find old hours: %w", err)
	}
	for i, hour := range hours {
		if err := r.foldOldHour(ctx, hour.UTC()); err != nil {
			return fmt.Errorf("hour %s: %w", hour.UTC(), err)
		}
		d := hour.UTC().Truncate(day)
		if i+1 < len(hours) && hours[i+1].UTC().Truncate(day).Equal(d) {
			continue
		}
		if err := r.foldDay(ctx, d); err != nil {
			return fmt.Errorf("day %s: %w", d, err)
		}
	}
	return nil
}

// foldHour makes an hour of its minutes, and the sums of it and of its quarters, where those are still kept.
func (r *Reports) foldHour(ctx context.Context, hour, now time.Time) error {
	of := db.UsageCut{Minutes: []db.Range{{From: hour, To: hour.Add(time.Hour)}}}
	return r.foldInto(ctx, of, func(f *folding, row *db.UsageRow) {
		f.add(row, time.Hour)
		if keepsQuarters(hour, now) {
			f.addSums(row, quarter)
		}
		f.addSums(row, time.Hour)
	})
}

// keepsQuarters reports whether quarters from a time on are there.
func keepsQuarters(from, now time.Time) bool { return from.After(now.Add(day - quarterRetention)) }

// foldOldHour makes the sums of an hour whose minutes are gone.
func (r *Reports) foldOldHour(ctx context.Context, hour time.Time) error {
	of := db.UsageCut{Hours: []db.Range{{From: hour, To: hour.Add(time.Hour)}}}
	return r.foldInto(ctx, of, func(f *folding, row *db.UsageRow) { f.addSums(row, time.Hour) })
}

// foldDay makes a day of its hours, and its sums.
func (r *Reports) foldDay(ctx context.Context, d time.Time) error {
	of := db.UsageCut{Hours: []db.Range{{From: d, To: d.Add(day)}}}
	return r.foldInto(ctx, of, func(f *folding, row *db.UsageRow) {
		f.add(row, day)
		f.addSums(row, day)
	})
}

func (r *Reports) foldInto(ctx context.Context, of db.UsageCut, add func(*folding, *db.UsageRow)) error {
	return db.InTx(ctx, r.pool, func(tx pgx.Tx) error {
		if err := r.q.LockFold(ctx, tx); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		f := folding{}
		if err := r.q.EachUsage(ctx, tx, of, func(row *db.UsageRow) error { add(&f, row); return nil }); err != nil {
			return err
		}
		return f.store(ctx, tx, r.q)
	})
}

// The dimensions of usage_sums.
const (
	sumAll          = "all"
	sumUser         = "user"
	sumKey          = "key" // with its user
	sumProvider     = "provider"
	sumModel        = "model"
	sumUserProvider = "user_provider"
	sumUserModel    = "user_model"
)

var sumDimensions = []string{sumAll, sumUser, sumKey, sumProvider, sumModel, sumUserProvider, sumUserModel}

// SumsBy is the dimension of the sums that tell these columns apart, "" where there are none.
func SumsBy(by db.UsageBy) string {
	if by.Key { // which is one user's
		by.User = true
	}
	switch by {
	case db.UsageBy{}:
		return sumAll
	case db.UsageBy{User: true}:
		return sumUser
	case db.UsageBy{User: true, Key: true}:
		return sumKey
	case db.UsageBy{Provider: true}:
		return sumProvider
	case db.UsageBy{Model: true}:
		return sumModel
	case db.UsageBy{User: true, Provider: true}:
		return sumUserProvider
	case db.UsageBy{User: true, Model: true}:
		return sumUserModel
	}
	return ""
}

// A folding is rows of counts that come together in longer ones.
type folding map[foldKey]*bucket

type foldKey struct {
	step      time.Duration
	dimension string // of a sum; "" is a row of usage_buckets
	at        int64
	series    series
}

func (f folding) add(row *db.UsageRow, step time.Duration) { f.merge(row, step, "", row.UsageGroup) }

func (f folding) addSums(row *db.UsageRow, step time.Duration) {
	g := row.UsageGroup
	f.merge(row, step, sumAll, db.UsageGroup{})
	f.merge(row, step, sumUser, db.UsageGroup{UserID: g.UserID})
	f.merge(row, step, sumKey, db.UsageGroup{UserID: g.UserID, KeyID: g.KeyID})
	f.merge(row, step, sumProvider, db.UsageGroup{ProviderID: g.ProviderID})
	f.merge(row, step, sumModel, db.UsageGroup{Model: g.Model})
	f.merge(row, step, sumUserProvider, db.UsageGroup{UserID: g.UserID, ProviderID: g.ProviderID})
	f.merge(row, step, sumUserModel, db.UsageGroup{UserID: g.UserID, Model: g.Model})
}

func (f folding) merge(row *db.UsageRow, step time.Duration, dimension string, g db.UsageGroup) {
	at := row.StartedAt.UTC().Truncate(step)
	s := series{User: id.User{UUID: g.UserID}, Key: id.Key{UUID: g.KeyID}, Provider: id.Provider{UUID: g.ProviderID}, Model: g.Model}
	key := foldKey{step, dimension, at.Unix(), s}
	b := f[key]
	if b == nil {
		b = &bucket{minute: at, series: s}
		f[key] = b
	}
	b.merge(row)
}

// merge adds a row of counts.
func (b *bucket) merge(row *db.UsageRow) {
	b.counts.Merge(countsOf(row))
	b.times.merge(Times{Duration: row.DurationHistogram, FirstToken: row.FirstTokenHistogram})
}

func countsOf(row *db.UsageRow) Counts {
	return Counts{
		Requests: row.Requests, Errors: row.Errors, Refused: row.Refused, Unpriced: row.Unpriced, Input: row.Input,
		CachedInput: row.CachedInput, CacheWrite: row.CacheWrite, Output: row.Output, Reasoning: row.Reasoning,
		Charge: money.Amount(row.Charge), Cost: money.Amount(row.Cost),
	}
}

// store writes all of it, sorted by key.
func (f folding) store(ctx context.Context, tx pgx.Tx, q *db.Queries) error {
	type table struct {
		step      time.Duration
		dimension string
	}
	tables := map[table][]*bucket{}
	for key, b := range f {
		t := table{key.step, key.dimension}
		tables[t] = append(tables[t], b)
	}
	inOrder := func(a, b table) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.dimension, b.dimension))
	}
	for _, t := range slices.SortedFunc(maps.Keys(tables), inOrder) {
		slices.SortFunc(tables[t], compareBuckets)
		for rows := range slices.Chunk(tables[t], foldChunk) {
			var err error
			seconds := int32(t.step / time.Second)
			if t.dimension == "" {
				err = q.SetUsageBuckets(ctx, tx, db.SetUsageBucketsParams{StepSeconds: seconds, Buckets: bucketRows(rows, "")})
			} else {
				err = q.SetUsageSums(ctx, tx, db.SetUsageSumsParams{StepSeconds: seconds, Sums: bucketRows(rows, t.dimension)})
			}
			if err != nil {
				return fmt.Errorf("store: %w", err)
			}
		}
	}
	return nil
}

// compareBuckets orders by key: nodes that lock rows in one order do not deadlock.
func compareBuckets(a, b *bucket) int {
	return cmp.Or(
		a.minute.Compare(b.minute),
		bytes.Compare(a.series.Key.UUID[:], b.series.Key.UUID[:]),
		bytes.Compare(a.series.User.UUID[:], b.series.User.UUID[:]),
		bytes.Compare(a.series.Provider.UUID[:], b.series.Provider.UUID[:]),
		cmp.Compare(a.series.Model, b.series.Model),
	)
}

// Unfolded tells which hours a fold makes anew, and a report must read from their minutes, where the last fold was at last:
// those with a minute that changed since changedSince, from oldest on.
func Unfolded(last, now time.Time) (changedSince, oldest time.Time) {
	return last.Add(-foldMargin), now.Add(-foldReach).Truncate(time.Hour)
}

// FoldedDays is up to where there are days, but for what Unfolded tells: those that had ended at the last fold, and those that no
// fold makes any more.
func FoldedDays(last, now time.Time) time.Time {
	_, oldest := Unfolded(last, now)
	if oldest.After(last) {
		last = oldest
	}
	return last.UTC().Truncate(day)
}
