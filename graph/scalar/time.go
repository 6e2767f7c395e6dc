package scalar

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"aihigress/internal/fault"
)

// MarshalTime writes a moment as RFC 3339 in UTC.
func MarshalTime(t time.Time) graphql.Marshaler {
	return graphql.MarshalString(t.UTC().Format(time.RFC3339Nano))
}

// UnmarshalTime reads RFC 3339 with any offset.
func UnmarshalTime(v any) (time.Time, error) {
	text, ok := v.(string)
	if ok {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, `a time is RFC 3339 text, as in "2006-01-02T15:04:05Z"`)
}

// MarshalDuration writes a span as seconds with at most six places.
func MarshalDuration(d time.Duration) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.FormatFloat(d.Round(time.Microsecond).Seconds(), 'f', -1, 64))
	})
}

// UnmarshalDuration reads seconds, whole or with a fraction.
func UnmarshalDuration(v any) (time.Duration, error) {
	seconds := math.NaN()
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil {
			seconds = f
		}
	case float64:
		seconds = v
	case int64:
		seconds = float64(v)
	}
	if limit := float64(math.MaxInt64) / float64(time.Second); math.IsNaN(seconds) || seconds <= -limit || seconds >= limit {
		return 0, fault.New(fault.Invalid, "a duration is a number of seconds")
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), nil
}
