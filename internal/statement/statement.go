// Package statement tells what was used and what it cost over whole days of UTC, and how that agrees with the ledger and with
// what vendors say.
//
// Counts of days, hours and minutes answer most of it (see package usage). They are not kept by tag nor by the vendors' names
// of models: there the request log is read, as far as it reaches back.
package statement

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/usage"
)

const (
	// MaxLines is how many lines a statement has at most; Each has no limit.
	MaxLines = 1000
	// DefaultLines is how many it has where nobody asked.
	DefaultLines = 100
	// maxTag is in bytes.
	maxTag = 256
	// timeout bounds each question to Postgres for a statement.
	timeout = 30 * time.Second
)

// Statements reads statements.
type Statements struct {
	pool   *pgxpool.Pool
	q      *db.Queries
	now    func() time.Time
	dollar money.Price
}

// New makes statements of the books of a database. A dollar is what vendors' costs are multiplied with to compare them with
// ours, in credits: of a price of 1, as catalog.BookOptions has it. Zero is one credit.
func New(pool *pgxpool.Pool, dollar money.Price) *Statements {
	return &Statements{pool: pool, q: db.New(), now: time.Now, dollar: cmp.Or(dollar, oneCredit)}
}

// oneCredit is a price of 1.
const oneCredit money.Price = 1_000_000

// A Dimension is what a statement is grouped by.
type Dimension int

// The dimensions.
const (
	ByUser Dimension = iota
	ByKey
	ByModel
	ByProvider
	ByTag
	ByDay
)

// Input asks for a statement.
type Input struct {
	Period
	GroupBy []Dimension
	Tag     string // whose values ByTag groups by
	Filter  usage.MetricFilter
	Lines   int // at most MaxLines; 0 is DefaultLines
}

// A Group names what a line is of. What the statement is not grouped by is nil.
type Group struct {
	UserID     *id.User
	KeyID      *id.Key
	Model      *string
	ProviderID *id.Provider // zero for requests that were never sent
	Tag        *string      // empty for requests without it
	Day        *time.Time
}

// A Line is the sums of one group. Cost is zero where the reader may not know it.
type Line struct {
	Group
	Sums
}

// Sums are what was used and what it cost.
type Sums struct{ usage.Counts }

// Margin is what is left of the charge when the vendor is paid.
func (s Sums) Margin() money.Amount { return s.Charge.Add(-s.Cost) }

// A Statement is the sums of a period by group.
type Statement struct {
	Period
	Lines []Line // by day where it is grouped by that, the largest charge first
	Rest  Sums   // of all groups that Lines had no room for
	More  int64  // how many those are
	Total Sums
	Costs bool // whether the reader may know them
	// Ledger is what moved the accounts in the same time, of one moment with the sums. Nil where the statement is cut to what
	// the ledger does not know: a key, a model, a provider.
	Ledger []Movement
}

// A Movement is the entries of one kind in a period.
type Movement struct {
	Kind    credit.Kind
	Entries int64
	Amount  money.Amount // negative for charges
}

// Uncounted is how much more the ledger charged than the lines say: calls that were booked after the counts of their time
// had been closed, or, by tag, that are no longer in the log. Zero in the rule.
func (s Statement) Uncounted() money.Amount {
	if s.Ledger == nil {
		return 0
	}
	left := -s.Total.Charge
	for _, m := range s.Ledger {
		if m.Kind == credit.KindCharge {
			left = left.Add(-m.Amount)
		}
	}
	return left
}

// Statement is the sums of a period, cut to what the reader may see.
func (s *Statements) Statement(ctx context.Context, in Input) (Statement, error) {
	reader, err := s.reader(ctx, in)
	if err != nil {
		return Statement{}, err
	}
	lines := in.Lines
	switch {
	case lines == 0:
		lines = DefaultLines
	case lines < 0 || lines > MaxLines:
		return Statement{}, fault.Field("lines", "a statement has between 1 and %d lines", MaxLines)
	}
	out := Statement{Period: in.Period, Costs: reader.costs}
	err = s.read(ctx, func(tx pgx.Tx) error {
		if err := s.fill(ctx, tx, reader, in, lines, &out); err != nil {
			return err
		}
		if in.Filter.KeyID != nil || in.Filter.ProviderID != nil || in.Filter.Model != "" {
			return nil
		}
		out.Ledger, err = s.movements(ctx, tx, reader.user(in.Filter.UserID), in.Period)
		return err
	})
	if err != nil {
		return Statement{}, fmt.Errorf("read statement: %w", err)
	}
	return out, nil
}

// Each calls each with every line of a statement as it comes from Postgres, until it fails. It has no limit but the caller's,
// keeps nothing, and holds a connection meanwhile.
func (s *Statements) Each(ctx context.Context, in Input, each func(Line) error) error {
	reader, err := s.reader(ctx, in)
	if err != nil {
		return err
	}
	err = db.Reading(ctx, s.pool, func(tx pgx.Tx) error { return s.each(ctx, tx, reader, in, each) })
	if err != nil {
		return fmt.Errorf("read statement: %w", err)
	}
	return nil
}

// read reads what is of one moment, and soon read.
func (s *Statements) read(ctx context.Context, do func(pgx.Tx) error) error {
	err := db.ReadingWithin(ctx, s.pool, timeout, do)
	if errors.Is(err, db.ErrTimeout) {
		return fault.Field("to", "this takes too long: ask for fewer days, or for the table as CSV")
	}
	return err
}

// A reader is who asks, and what that is cut to.
type reader struct {
	owner *id.User // whose use may be seen; nil is everybody's
	costs bool
}

// user is whose account is meant, nil being everybody's.
func (r reader) user(asked *id.User) *id.User {
	if asked != nil {
		return asked
	}
	return r.owner
}

func (s *Statements) reader(ctx context.Context, in Input) (reader, error) {
	grant, err := authz.Require(ctx, authz.MetricsRead)
	if err != nil {
		return reader{}, err
	}
	books, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return reader{}, err
	}
	if in.Filter.UserID != nil {
		if err := books.Owner(*in.Filter.UserID); err != nil {
			return reader{}, err
		}
	}
	_, err = authz.Require(ctx, authz.CostRead)
	return reader{owner: grant.Filter(), costs: err == nil}, in.validate()
}

func (in Input) validate() error {
	if err := in.Period.validate(); err != nil {
		return err
	}
	for i, d := range in.GroupBy {
		if d < ByUser || d > ByDay || slices.Contains(in.GroupBy[:i], d) {
			return fault.Field("groupBy", "groupBy names each dimension once")
		}
	}
	byTag := slices.Contains(in.GroupBy, ByTag)
	switch {
	case byTag && in.Tag == "":
		return fault.Field("tag", "say which tag's values to group by")
	case !byTag && in.Tag != "":
		return fault.Field("tag", "a tag is only for grouping by it")
	case byTag && in.Days() > MaxLogDays:
		return fault.Field("to", "by tag a period has at most %d days: it is read from the request log", MaxLogDays)
	case len(in.Tag) > maxTag || !plain(in.Tag):
		return fault.Field("tag", "the tag is not valid text")
	case !plain(in.Filter.Model):
		return fault.Field("model", "the model is not valid text")
	}
	return nil
}

// plain reports whether Postgres can hold the text.
func plain(text string) bool {
	return strings.ToValidUTF8(text, "") == text && !strings.Contains(text, "\x00")
}

// fill reads the lines and adds them up; what has no room is added to the rest.
func (s *Statements) fill(ctx context.Context, tx pgx.Tx, r reader, in Input, room int, out *Statement) error {
	return s.each(ctx, tx, r, in, func(l Line) error {
		out.Total.Merge(l.Counts)
		if len(out.Lines) < room {
			out.Lines = append(out.Lines, l)
			return nil
		}
		out.Rest.Merge(l.Counts)
		out.More++
		return nil
	})
}

func (s *Statements) each(ctx context.Context, tx pgx.Tx, r reader, in Input, each func(Line) error) error {
	folded, err := s.q.GetLastFold(ctx, tx)
	if err != nil {
		return fmt.Errorf("read the last fold: %w", err)
	}
	by := func(d Dimension) bool { return slices.Contains(in.GroupBy, d) }
	q := db.StatementQuery{
		From: in.From, To: in.To, ByUser: by(ByUser), ByKey: by(ByKey), ByProvider: by(ByProvider), ByModel: by(ByModel),
		ByDay: by(ByDay), ByTag: in.Tag, Owner: r.owner, UserID: in.Filter.UserID, KeyID: in.Filter.KeyID,
		ProviderID: in.Filter.ProviderID, Model: in.Filter.Model,
	}
	q.ChangedSince, q.Oldest = usage.Unfolded(folded, s.now())
	q.DaysEnd = usage.FoldedDays(folded, s.now())
	if !folded.Before(q.Oldest) { // else old hours may have no sums yet
		q.Dimension = usage.SumsBy(db.UsageBy{
			User: q.ByUser || q.Owner != nil || q.UserID != nil, Key: q.ByKey || q.KeyID != nil,
			Provider: q.ByProvider || q.ProviderID != nil, Model: q.ByModel || q.Model != "",
		})
	}
	return s.q.EachStatementRow(ctx, tx, q, func(row db.StatementRow) error {
		l := Line{Group: groupOf(row, in.GroupBy), Sums: sumsOf(row)}
		if !r.costs {
			l.Cost = 0
		}
		return each(l)
	})
}

func groupOf(row db.StatementRow, by []Dimension) (g Group) {
	for _, d := range by {
		switch d {
		case ByUser:
			g.UserID = &row.UserID
		case ByKey:
			g.KeyID = &row.KeyID
		case ByModel:
			g.Model = &row.Model
		case ByProvider:
			g.ProviderID = &row.ProviderID
		case ByTag:
			g.Tag = &row.Tag
		case ByDay:
			at := row.Day.UTC()
			g.Day = &at
		}
	}
	return g
}

func sumsOf(row db.StatementRow) Sums {
	return Sums{usage.Counts{
		Requests: row.Requests, Errors: row.Errors, Refused: row.Refused, Unpriced: row.Unpriced, Input: row.Input,
		CachedInput: row.CachedInput, CacheWrite: row.CacheWrite, Output: row.Output, Reasoning: row.Reasoning,
		Charge: money.Amount(row.Charge), Cost: money.Amount(row.Cost),
	}}
}

// maxKinds is how many kinds of entry there are at most.
const maxKinds = 100

// movements are what the ledger has of a user, nil being everybody.
func (s *Statements) movements(ctx context.Context, tx pgx.Tx, user *id.User, p Period) ([]Movement, error) {
	params := db.ListMovementsParams{FromTime: p.From, ToTime: p.To, RowLimit: maxKinds}
	if user != nil {
		params.UserID = &user.UUID
	}
	rows, err := s.q.ListMovements(ctx, tx, params)
	if err != nil {
		return nil, fmt.Errorf("add up entries: %w", err)
	}
	movements := make([]Movement, len(rows))
	for i, row := range rows {
		movements[i] = Movement{Kind: credit.Kind(row.Kind), Entries: row.Entries, Amount: money.Amount(row.Amount)}
	}
	return movements, nil
}
