package pricing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxWindows is how many windows of time a rate has at most.
const MaxWindows = 8

// A Window is hours of the day, in UTC, in which the whole costs a multiple: what vendors give off-peak, mostly.
type Window struct {
	From  Clock     `json:"from"`           // included
	To    Clock     `json:"to"`             // excluded; before From it is of the next day
	Days  []Weekday `json:"days,omitempty"` // on which it begins; none is every day
	Times Factor    `json:"times"`
}

// A Clock is a time of day in minutes, 24:00 included.
type Clock int16

const dayMinutes Clock = 24 * 60

// A Weekday is a day of the week, as time.Weekday counts them.
type Weekday uint8

// The days.
const (
	Sunday Weekday = iota
	Monday
	Tuesday
	Wednesday
	Thursday
	Friday
	Saturday

	weekdays = 7
)

var dayNames = [weekdays]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ErrClock says that a text is no time of day.
var ErrClock = errors.New("not a time of day from 00:00 to 24:00")

// ParseClock reads a time of day: "16:30".
func ParseClock(text string) (Clock, error) {
	hours, minutes, _ := strings.Cut(text, ":")
	h, err := strconv.ParseUint(hours, 10, 8)
	m, err2 := strconv.ParseUint(minutes, 10, 8)
	c := Clock(h)*60 + Clock(m)
	if err != nil || err2 != nil || len(text) != len("00:00") || len(minutes) != 2 || m > 59 || c > dayMinutes {
		return 0, ErrClock
	}
	return c, nil
}

// String is the time of day as ParseClock reads it.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

// MarshalText and UnmarshalText carry a time of day through JSON as a text.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Clock) UnmarshalText(text []byte) (err error) {
	*c, err = ParseClock(string(text))
	return err
}

// ErrWeekday says that a text is no day of the week.
var ErrWeekday = errors.New("not a day of the week: mon, tue, wed, thu, fri, sat or sun")

// ParseWeekday reads a day: "mon".
func ParseWeekday(text string) (Weekday, error) {
	for day, name := range dayNames {
		if name == text {
			return Weekday(day), nil
		}
	}
	return 0, ErrWeekday
}

// String is the day as ParseWeekday reads it.
func (d Weekday) String() string { return dayNames[d%weekdays] }

// MarshalText and UnmarshalText carry a day through JSON as a text.
func (d Weekday) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Weekday) UnmarshalText(text []byte) (err error) {
	*d, err = ParseWeekday(string(text))
	return err
}

// at is what the time multiplies the cost of a request with that began then: by the first window that it is in.
func (r Rate) at(began time.Time) Factor {
	if r.Rare == nil || len(r.Rare.Windows) == 0 {
		return One
	}
	const daySeconds = 24 * 60 * 60
	seconds := began.Unix()
	day := seconds / daySeconds
	if seconds -= day * daySeconds; seconds < 0 { // before 1970
		day, seconds = day-1, seconds+daySeconds
	}
	minute := Clock(seconds / 60)
	today := Weekday(((day+int64(Thursday))%weekdays + weekdays) % weekdays) // 1970 began on one
	for i := range r.Rare.Windows {
		if r.Rare.Windows[i].holds(minute, today) {
			return r.Rare.Windows[i].Times
		}
	}
	return One
}

// holds reports whether the window holds at a minute of a day.
func (w *Window) holds(minute Clock, today Weekday) bool {
	switch {
	case w.From < w.To:
		return minute >= w.From && minute < w.To && w.on(today)
	case minute >= w.From:
		return w.on(today)
	}
	return minute < w.To && w.on((today+weekdays-1)%weekdays) // it began yesterday
}

func (w *Window) on(day Weekday) bool {
	for _, d := range w.Days {
		if d == day {
			return true
		}
	}
	return len(w.Days) == 0
}

func checkWindows(windows []Window) error {
	if len(windows) > MaxWindows {
		return refused("windows", "there are at most %d windows of time", MaxWindows)
	}
	for i := range windows {
		w := &windows[i]
		switch {
		case w.From < 0 || w.From >= dayMinutes || w.To < 0 || w.To > dayMinutes || w.From == w.To:
			return refused("windows", "a window of time begins between 00:00 and 23:59 and ends at another time, up to 24:00")
		case !w.Times.Valid():
			return refused("windows", "a factor is between 0 and %s", MaxFactor)
		case len(w.Days) > weekdays:
			return refused("windows", "a window of time has at most %d days", weekdays)
		}
		for j, day := range w.Days {
			for _, before := range w.Days[:j] {
				if day == before {
					return refused("windows", "a day of a window of time is named once")
				}
			}
			if day >= weekdays {
				return refused("windows", "there is no such day")
			}
		}
	}
	return nil
}
