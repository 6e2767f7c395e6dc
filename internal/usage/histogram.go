package usage

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"sort"
	"time"
)

// A Histogram counts durations in buckets with fixed boundaries, so that adding the counts of two merges them: over
// minutes, keys, providers and nodes.
//
// Bucket 0 is everything up to 1 ms. From there four buckets double the duration: bucket i ends at 1 ms times 2^(i/4),
// the last but one at 2^22 ms (70 minutes), and the last takes all that is longer. The counts end with the last one that
// is not zero; the zero value is empty. The boundaries are stored with the data and must not change.
type Histogram []int64

const (
	histogramBuckets = 90
	histogramUnit    = time.Millisecond
	histogramPerTwo  = 4
)

// HistogramError is by how much Quantile may be off, relative to the true value, for durations between 1 ms and 70
// minutes: half a bucket of 2^(1/4), about 9.1 %. Below 1 ms it answers within 1 ms, above 70 minutes it says 70 minutes.
const HistogramError = 0.091

var histogramBounds = func() (bounds [histogramBuckets - 1]time.Duration) {
	for i := range bounds {
		bounds[i] = time.Duration(math.Round(float64(histogramUnit) * math.Exp2(float64(i)/histogramPerTwo)))
	}
	return bounds
}()

func histogramBucket(d time.Duration) int {
	return sort.Search(len(histogramBounds), func(i int) bool { return d <= histogramBounds[i] })
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) { h.count(histogramBucket(d), 1) }

func (h *Histogram) count(bucket int, n int64) {
	if bucket >= len(*h) {
		*h = append(*h, make([]int64, bucket+1-len(*h))...)
	}
	(*h)[bucket] += n
}

// Merge adds the counts of another.
func (h *Histogram) Merge(other Histogram) {
	if len(other) > len(*h) {
		*h = append(*h, make([]int64, len(other)-len(*h))...)
	}
	for i, n := range other {
		(*h)[i] += n
	}
}

// subtract takes away counts that were merged. What is left may end with zeros.
func (h Histogram) subtract(other Histogram) {
	for i, n := range other {
		h[i] -= n
	}
}

// Count is how many durations were counted.
func (h Histogram) Count() int64 {
	var sum int64
	for _, n := range h {
		sum += n
	}
	return sum
}

// Quantile is the duration that the share q (0 to 1) of all durations does not exceed, within HistogramError; zero where
// there are none.
func (h Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := max(1, int64(math.Ceil(q*float64(total)))) // the rank-th smallest
	for i, n := range h {
		if rank <= n {
			return histogramMiddle(i)
		}
		rank -= n
	}
	return histogramBounds[len(histogramBounds)-1] // q above 1
}

// histogramMiddle is the geometric middle of a bucket: as far from either end by ratio.
func histogramMiddle(i int) time.Duration {
	switch {
	case i == 0:
		return histogramUnit / 2
	case i >= len(histogramBounds):
		return histogramBounds[len(histogramBounds)-1]
	}
	return time.Duration(math.Round(float64(histogramUnit) * math.Exp2((float64(i)-0.5)/histogramPerTwo)))
}

// MarshalJSON writes pairs of bucket and count, [40,1,42,7], since most buckets of a second are empty.
func (h Histogram) MarshalJSON() ([]byte, error) {
	pairs := []int64{}
	for i, n := range h {
		if n != 0 {
			pairs = append(pairs, int64(i), n)
		}
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(raw []byte) error {
	var pairs []int64
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return err
	}
	*h = nil
	for pair := range slices.Chunk(pairs, 2) {
		if len(pair) != 2 || pair[0] < 0 || pair[0] >= histogramBuckets || pair[1] < 0 {
			return errors.New("not a histogram")
		}
		h.count(int(pair[0]), pair[1])
	}
	return nil
}
