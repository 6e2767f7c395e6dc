package statement

import (
	"time"

	"aihigress/internal/fault"
)

const (
	day = 24 * time.Hour
	// MaxDays is how long a period is at most.
	MaxDays = 366
	// MaxLogDays is how long it is at most where the request log is read for it.
	MaxLogDays = 31
)

// A Period is whole days of UTC.
type Period struct {
	From time.Time // midnight
	To   time.Time // midnight; excluded
}

// Month reads a month as in "2026-11".
func Month(text string) (Period, error) {
	from, err := time.ParseInLocation("2006-01", text, time.UTC)
	if err != nil {
		return Period{}, fault.Field("month", "the month must be written as in 2026-11")
	}
	p := Period{From: from, To: from.AddDate(0, 1, 0)}
	return p, p.validate()
}

// MonthOf is the month that a time is in.
func MonthOf(t time.Time) Period {
	t = t.UTC()
	from := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return Period{From: from, To: from.AddDate(0, 1, 0)}
}

// Days reads a first and a last day as in "2026-11-30", both included.
func Days(first, last string) (Period, error) {
	from, err := time.ParseInLocation(time.DateOnly, first, time.UTC)
	if err != nil {
		return Period{}, fault.Field("from", "a day must be written as in 2026-11-30")
	}
	to, err := time.ParseInLocation(time.DateOnly, last, time.UTC)
	if err != nil {
		return Period{}, fault.Field("to", "a day must be written as in 2026-11-30")
	}
	p := Period{From: from, To: to.AddDate(0, 0, 1)}
	return p, p.validate()
}

// Last is the last day of the period.
func (p Period) Last() time.Time { return p.To.Add(-day) }

// Days is how many there are.
func (p Period) Days() int { return int(p.To.Sub(p.From) / day) }

// Month is the month that the period is, as Month reads it; "" where it is another time.
func (p Period) Month() string {
	if MonthOf(p.From) == p {
		return p.From.Format("2006-01")
	}
	return ""
}

func (p Period) validate() error {
	switch {
	case !p.From.Truncate(day).Equal(p.From) || !p.To.Truncate(day).Equal(p.To):
		return fault.Field("from", "a period is whole days of UTC")
	case p.From.Year() < 1970 || p.To.Year() > 9999:
		return fault.Field("from", "a period lies between 1970 and 9999")
	case !p.From.Before(p.To):
		return fault.Field("to", "the period must end after it begins")
	case p.Days() > MaxDays:
		return fault.Field("to", "a period has at most %d days", MaxDays)
	}
	return nil
}
