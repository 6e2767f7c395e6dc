package overload_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"aihigress/internal/health"
	"aihigress/internal/overload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Unix(1_700_000_000, 0)

// A sign of overload leaves seven tenths of what was in flight. In a quarter of a minute the limit is back at that, stays
// about there, and is soon out of the way.
func TestLimitIsCutAndGrowsBack(t *testing.T) {
	t.Parallel()
	l := overload.NewLimit(1000)
	l.End(health.OK, noon.Add(-time.Second), noon, 100)
	if got := l.At(noon); got != 1000 {
		t.Fatalf("without a sign the limit is %d", got)
	}
	l.End(health.Overloaded, noon.Add(-time.Second), noon, 100)
	for _, want := range []struct {
		after time.Duration
		from  int
		to    int
	}{{0, 70, 70}, {5 * time.Second, 90, 92}, {15 * time.Second, 99, 100}, {25 * time.Second, 106, 110}, {30 * time.Second, 129, 130}, {60 * time.Second, 900, 920}, {75 * time.Second, 1000, 1000}, {time.Hour, 1000, 1000}} {
		if got := l.At(noon.Add(want.after)); got < want.from || got > want.to {
			t.Errorf("after %s the limit is %d, want %d to %d", want.after, got, want.from, want.to)
		}
	}
}

func TestWhatIsASign(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		class health.Class
		began time.Duration // before the end
		want  int
	}{
		{"429", health.RateLimited, time.Second, 28},
		{"503", health.Overloaded, time.Second, 28},
		{"no answer in time", health.TimedOut, 2 * time.Minute, 28},
		{"an error", health.ServerError, time.Second, 1000},
		{"a caller who left", health.Cancelled, time.Second, 1000},
		{"a bad request", health.BadRequest, time.Second, 1000},
		{"no connection", health.Unreached, time.Second, 1000},
		{"a refused key", health.Unauthorized, time.Second, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := overload.NewLimit(1000)
			l.End(tt.class, noon.Add(-tt.began), noon, 40)
			if got := l.At(noon); got != tt.want {
				t.Errorf("the limit is %d, want %d", got, tt.want)
			}
		})
	}
}

// All that were on their way at the first sign tell of one overload, and not of a hundred.
func TestOneOverloadCutsOnce(t *testing.T) {
	t.Parallel()
	l := overload.NewLimit(1000)
	for i := range 100 {
		l.End(health.Overloaded, noon.Add(-time.Second), noon.Add(time.Duration(i)*time.Millisecond), 100-i)
	}
	if got := l.At(noon); got != 70 {
		t.Errorf("the limit is %d, want 70", got)
	}
	later := noon.Add(time.Second)
	l.End(health.Overloaded, later, later.Add(time.Second), 60)
	if got := l.At(later.Add(time.Second)); got != 42 {
		t.Errorf("after another overload the limit is %d, want 42", got)
	}
}

// A vendor of capacity one is found in a few steps, and a single refusal does not make one of a vendor with little to do.
func TestLimitOfATinyVendor(t *testing.T) {
	t.Parallel()
	l := overload.NewLimit(1000)
	now := noon
	l.End(health.RateLimited, now, now, 1)
	if got := l.At(now); got != 7 {
		t.Errorf("after one refusal the limit is %d, want 7", got)
	}
	for range 8 {
		now = now.Add(100 * time.Millisecond)
		l.End(health.RateLimited, now, now, 2)
	}
	if got := l.At(now); got != 1 {
		t.Errorf("after nine refusals the limit is %d, want 1", got)
	}
}

// One call in two hundred fails at a large vendor in normal life. Nobody must notice.
func TestRareRefusalsAreNoSign(t *testing.T) {
	t.Parallel()
	l := overload.NewLimit(1000)
	now := noon
	for i := range 20_000 {
		now = now.Add(10 * time.Millisecond)
		class := health.OK
		if i%200 == 199 {
			class = health.Overloaded
		}
		l.End(class, now.Add(-5*time.Second), now, 500)
	}
	if got := l.At(now); got != 1000 {
		t.Errorf("the limit is %d, want 1000", got)
	}
}

// A target that does well with all it may have in flight may have more; one that does not answer may not.
func TestTopGrowsWithSuccess(t *testing.T) {
	t.Parallel()
	l := overload.NewLimit(100)
	for range 50 {
		l.First(noon, noon.Add(time.Second), l.At(noon))
	}
	if got := l.At(noon); got != 150 {
		t.Errorf("the limit is %d, want 150", got)
	}
	l.First(noon, noon.Add(time.Second), 20)
	if got := l.At(noon); got != 150 {
		t.Errorf("the limit is %d after an answer when little was in flight, want 150", got)
	}
}

// firsts is a look's worth of first tokens.
func firsts(l *overload.Limit, now time.Time, took time.Duration, inFlight int) time.Time {
	for range 10 {
		now = now.Add(10 * time.Millisecond)
		l.First(now, now.Add(took), inFlight)
	}
	return now.Add(took)
}

func TestSlowFirstTokensAreASign(t *testing.T) {
	t.Parallel()
	l := overload.NewLimit(1000)
	now := firsts(l, noon, 400*time.Millisecond, 50)
	now = firsts(l, now, 600*time.Millisecond, 50)
	if got := l.At(now); got != 1000 {
		t.Fatalf("first tokens somewhat late make the limit %d", got)
	}
	now = firsts(l, now, 2*time.Second, 100)
	if got := l.At(now); got < 70 || got > 90 {
		t.Fatalf("first tokens five times as late make the limit %d, want about 70", got)
	}
	now = firsts(l, now, time.Second, 70) // it helped, and not yet enough
	if got := l.At(now); got > 70 {
		t.Errorf("the limit is %d, want less than before", got)
	}
}

// A vendor that is slow for everybody has to be asked by as many as before: less in flight does not make it faster.
func TestSlownessThatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := overload.NewLimit(1000)
	now := firsts(l, noon, 400*time.Millisecond, 50)
	now = firsts(l, now, 3*time.Second, 100)
	if got := l.At(now); got >= 1000 {
		t.Fatalf("the limit is %d", got)
	}
	now = firsts(l, now, 3*time.Second, 70)
	for range 10 {
		if got := l.At(now); got != 1000 {
			t.Fatalf("the limit is %d though it is of no use", got)
		}
		now = firsts(l, now, 3*time.Second, 100)
	}
}
