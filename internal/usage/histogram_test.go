package usage

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func histogramOf(durations ...time.Duration) (h Histogram) {
	for _, d := range durations {
		h.Add(d)
	}
	return h
}

// The boundaries are stored with the data: this table must never need to change.
func TestHistogramBoundaries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d      time.Duration
		bucket int
	}{
		{-1, 0}, {0, 0}, {time.Millisecond, 0}, {time.Millisecond + 1, 1}, {1189207, 1}, {1189208, 2},
		{2 * time.Millisecond, 4}, {2*time.Millisecond + 1, 5}, {1024 * time.Millisecond, 40}, {time.Second, 40},
		{1 << 22 * time.Millisecond, 88}, {1<<22*time.Millisecond + 1, 89}, {math.MaxInt64, 89},
	} {
		if got := histogramBucket(c.d); got != c.bucket {
			t.Errorf("%v is in bucket %d, want %d", c.d, got, c.bucket)
		}
	}
}

func TestQuantileOfFew(t *testing.T) {
	t.Parallel()
	if got := (Histogram{}).Quantile(0.5); got != 0 {
		t.Errorf("median of nothing is %v", got)
	}
	h := histogramOf(100*time.Millisecond, 200*time.Millisecond, 10*time.Second)
	for q, want := range map[float64]time.Duration{
		0: 100 * time.Millisecond, 0.3: 100 * time.Millisecond, 0.5: 200 * time.Millisecond, 0.99: 10 * time.Second,
		1: 10 * time.Second,
	} {
		if got := h.Quantile(q); !near(got, want) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := histogramOf(5 * time.Hour).Quantile(0.5); got != 1<<22*time.Millisecond {
		t.Errorf("beyond the last boundary: %v", got)
	}
}

func near(got, want time.Duration) bool {
	return math.Abs(float64(got-want)) <= HistogramError*float64(want)
}

func TestQuantileIsWithinItsError(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		durations := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(float64(time.Millisecond) * math.Exp2(rapid.Float64Range(0.001, 22).Draw(t, "octave")))
		}), 1, 300).Draw(t, "durations")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got := histogramOf(durations...).Quantile(q)
		slices.Sort(durations)
		want := durations[max(0, int(math.Ceil(q*float64(len(durations))))-1)]
		if !near(got, want) {
			t.Fatalf("quantile %v of %d is %v, want %v", q, len(durations), got, want)
		}
	})
}

func TestMergeIsAddingAll(t *testing.T) {
	t.Parallel()
	duration := rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "ns")) })
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(duration).Draw(t, "a"), rapid.SliceOf(duration).Draw(t, "b")
		merged := histogramOf(a...)
		merged.Merge(histogramOf(b...))
		if want := histogramOf(append(a, b...)...); !slices.Equal(merged, want) {
			t.Fatalf("merged %v, want %v", merged, want)
		}
	})
}
