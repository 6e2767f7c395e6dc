package statement

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// MaxDifferences is how many are listed; all are counted.
	MaxDifferences = 1000
	// maxNames is how many models may be called otherwise.
	maxNames = 500
)

// ReconcileInput asks for a vendor's table to be compared with the books.
type ReconcileInput struct {
	Table      io.Reader         // CSV, at most MaxTable
	ProviderID *id.Provider      // whose it is; nil compares with all providers together
	Period     Period            // zero is the table's own days
	Columns    Columns           // over what is guessed
	Names      map[string]string // what we call a model, by how the vendor calls it
	Tolerance  int               // in hundredths of a percent of the larger figure, at most 10,000
}

// A Reconciliation is what a vendor's table and the books say of the same days.
type Reconciliation struct {
	Period
	Head    []string // the table's columns
	Columns Columns  // which were read as what
	Rows    int      // of the table: used, empty, of other days, or bad
	Empty   int
	Outside int
	Bad     []BadRow // at most 200
	BadRows int

	Compared    []Figure // what the table has
	Differences []Difference
	More        int // that there was no room for
	Agreeing    int // days and models that agree
	Totals      []Compared
}

// A Difference is a day and model of which the two sides do not say the same.
type Difference struct {
	Day     time.Time
	Model   string // empty where the table does not tell models apart
	Missing Side
	Figures []Compared // in the order of Compared
}

// A Side is where something is missing.
type Side string

// The sides.
const (
	Nowhere Side = ""
	Ours    Side = "ours"   // only the vendor has it
	Theirs  Side = "theirs" // only we have it
)

// Compared is a figure as both sides have it. Costs are in units of money.Amount.
type Compared struct {
	Figure       Figure
	Ours, Theirs int64
	Differs      bool
}

// Difference is what we have more than the vendor.
func (c Compared) Difference() int64 { return c.Ours - c.Theirs }

// Reconcile compares a vendor's table with the request log, by day and by the vendor's names of models. Calls are of the day
// in UTC on which they began. It reads the table once, and keeps its sums.
func (s *Statements) Reconcile(ctx context.Context, in ReconcileInput) (Reconciliation, error) {
	grant, err := authz.Require(ctx, authz.CostRead)
	if err != nil {
		return Reconciliation{}, err
	}
	if !grant.All {
		return Reconciliation{}, fault.New(fault.Denied, "only administrators reconcile")
	}
	if err := in.validate(); err != nil {
		return Reconciliation{}, err
	}
	t, err := readTable(in, s.dollar)
	if err != nil {
		return Reconciliation{}, fmt.Errorf("read the vendor's table: %w", err)
	}
	out := Reconciliation{
		Period: in.Period, Head: t.head, Columns: t.columns, Rows: t.rows, Empty: t.empty, Outside: t.outside, Bad: t.bad, BadRows: t.badRows,
	}
	for _, f := range Figures()[2:] {
		if len(t.columns[f]) > 0 {
			out.Compared = append(out.Compared, f)
		}
	}
	if out.Period == (Period{}) {
		if out.Period, err = t.days(); err != nil {
			return Reconciliation{}, err
		}
	}
	ours, err := s.ours(ctx, in.ProviderID, out.Period, len(t.columns[FigureModel]) > 0)
	if err != nil {
		return Reconciliation{}, err
	}
	out.compare(ours, t.theirs, in.Tolerance)
	return out, nil
}

func (in ReconcileInput) validate() error {
	if in.Period != (Period{}) {
		if err := in.Period.validate(); err != nil {
			return err
		}
		if in.Period.Days() > MaxLogDays {
			return fault.Field("to", "at most %d days are reconciled at once", MaxLogDays)
		}
	}
	switch {
	case in.Tolerance < 0 || in.Tolerance > 10_000:
		return fault.Field("tolerance", "the tolerance is between 0 and 100 percent")
	case len(in.Names) > maxNames:
		return fault.Field("names", "at most %d models are called otherwise", maxNames)
	}
	return nil
}

// days are from the first to the last day of the table.
func (t *vendorTable) days() (Period, error) {
	var p Period
	for at := range t.theirs {
		if p.From.IsZero() || at.day.Before(p.From) {
			p.From = at.day
		}
		if !at.day.Before(p.To) {
			p.To = at.day.Add(day)
		}
	}
	switch {
	case len(t.theirs) == 0 && len(t.bad) > 0:
		return p, fault.Field("table", "no row of the table can be used: line %d is the first of %d bad ones", t.bad[0].Line, t.badRows)
	case len(t.theirs) == 0:
		return p, fault.Field("table", "the table has no rows")
	case p.Days() > MaxLogDays:
		return p, fault.Field("from", "the table has %d days: say which, at most %d", p.Days(), MaxLogDays)
	}
	return p, nil
}

// ours are the books' figures, in readTable's form.
func (s *Statements) ours(ctx context.Context, provider *id.Provider, p Period, byModel bool) (map[place]*[9]int64, error) {
	ours := map[place]*[9]int64{}
	q := db.StatementQuery{From: p.From, To: p.To, ByDay: true, ByUpstreamModel: true, ProviderID: provider}
	err := s.read(ctx, func(tx pgx.Tx) error {
		return s.q.EachStatementRow(ctx, tx, q, func(row db.StatementRow) error {
			if row.UpstreamModel == "" {
				return nil // never sent
			}
			at := place{day: row.Day.UTC()}
			if byModel {
				at.model = row.UpstreamModel
			}
			sums := ours[at]
			if sums == nil {
				if len(ours) == maxPlaces {
					return fault.Field("from", "the books have more than %d days and models: reconcile fewer days", maxPlaces)
				}
				sums = new([9]int64)
				ours[at] = sums
			}
			for i, n := range [9]int64{
				2: row.Requests, 3: row.Input, 4: row.Input + row.CachedInput + row.CacheWrite, 5: row.CachedInput, 6: row.CacheWrite,
				7: row.Output, 8: row.Cost,
			} {
				sums[i] = capped(sums[i], n)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read our figures: %w", err)
	}
	return ours, nil
}

// compare lists where the sides differ, by day and model, and adds up what they compared.
func (r *Reconciliation) compare(ours, theirs map[place]*[9]int64, tolerance int) {
	var places []place
	for p := range ours {
		places = append(places, p)
	}
	for p := range theirs {
		if ours[p] == nil {
			places = append(places, p)
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(a.day.Compare(b.day), cmp.Compare(a.model, b.model)) })
	var none, all [2][9]int64
	for _, p := range places {
		d := Difference{Day: p.day, Model: p.model}
		o, t := ours[p], theirs[p]
		if o == nil {
			d.Missing, o = Ours, &none[0]
		}
		if t == nil {
			d.Missing, t = Theirs, &none[1]
		}
		d.Figures = r.figures(o, t, tolerance)
		for i := range all[0] {
			all[0][i] = capped(all[0][i], o[i])
			all[1][i] = capped(all[1][i], t[i])
		}
		differs := slices.ContainsFunc(d.Figures, func(c Compared) bool { return c.Differs })
		switch {
		case !differs:
			r.Agreeing++
		case len(r.Differences) < MaxDifferences:
			r.Differences = append(r.Differences, d)
		default:
			r.More++
		}
	}
	r.Totals = r.figures(&all[0], &all[1], tolerance)
}

func (r *Reconciliation) figures(ours, theirs *[9]int64, tolerance int) []Compared {
	figures := make([]Compared, 0, len(r.Compared))
	for _, f := range r.Compared {
		i := slices.Index(Figures(), f)
		figures = append(figures, Compared{Figure: f, Ours: ours[i], Theirs: theirs[i], Differs: !near(ours[i], theirs[i], tolerance)})
	}
	return figures
}

// near reports whether two figures, neither negative, differ by no more than hundredths of a percent of the larger.
func near(a, b int64, tolerance int) bool {
	low, high := uint64(min(a, b)), uint64(max(a, b))
	hi, lo := bits.Mul64(high-low, 10_000)
	allowedHi, allowedLo := bits.Mul64(high, uint64(tolerance))
	return hi < allowedHi || hi == allowedHi && lo <= allowedLo
}

// capped is a+b, or the nearest bound where that does not fit.
func capped(a, b int64) int64 { return int64(money.Amount(a).Add(money.Amount(b))) }
