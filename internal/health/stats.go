package health

import (
	"cmp"
	"math"
	"slices"
	"time"
)

const (
	// HalfLife is the time after which what was seen counts half as much.
	HalfLife = 30 * time.Second
	// memory is how many attempts the figures stand for at most: a busy target must not take longer to change its name
	// than a quiet one.
	memory = 100
)

// Stats is what was seen of a target, newer attempts counting for more. It does not change.
type Stats struct {
	At         time.Time // of the last attempt that ended
	Attempts   float64   // that ended, each weighted by its age at At
	Failed     [classes]float64
	FirstToken Spread // of streams, in seconds
	Speed      Spread // of generation, in tokens per second
}

// A Spread is how a figure is spread. Percentiles are good to about 20 %.
type Spread struct {
	Count    float64 // of samples, each weighted by its age
	Mean     float64
	P50, P95 float64
}

// A Failure is a class of failure, and which share of the attempts fails so, from 0 to 1.
type Failure struct {
	Class Class
	Share float64
}

// Failures is which attempts fail by the fault of something shared, the most frequent first.
func (s *Stats) Failures() []Failure {
	if s == nil || s.Attempts <= 0 {
		return nil
	}
	var all []Failure
	for class := Unauthorized; class < classes; class++ {
		if n := s.Failed[class]; n > 0 {
			all = append(all, Failure{class, n / s.Attempts})
		}
	}
	slices.SortStableFunc(all, func(a, b Failure) int { return cmp.Compare(b.Share, a.Share) })
	return all
}

// prior is how a target that nobody has seen is taken to do: one attempt with so many failures. It keeps a single failure
// from looking like certainty.
const prior = 0.02

// Reliability is how many attempts the figures stand for at a time, and which share of attempts fails by the fault of
// something shared, from 0 to 1. Without traffic the first falls, and the second with it, to what is supposed of anybody.
func (s *Stats) Reliability(now time.Time) (weight, errorRate float64) {
	if s == nil {
		return 0, prior
	}
	failed := 0.0
	for class := Unauthorized; class < classes; class++ {
		failed += s.Failed[class]
	}
	f := fade(now.Sub(s.At))
	weight = s.Attempts * f
	return weight, (failed*f + prior) / (weight + 1)
}

func fade(age time.Duration) float64 {
	if age <= 0 {
		return 1
	}
	return math.Exp2(-float64(age) / float64(HalfLife))
}

// sums adds up weighted samples. A sample weighs the more the later it is, relative to a landmark, so that nothing need be
// multiplied as time goes by (Cormode and others, "Forward Decay", 2009).
type sums struct {
	landmark   time.Time
	attempts   float64
	failed     [classes]float64
	firstToken digest
	speed      digest

	wins int // attempts in a row that went well
}

const (
	// forgivenBy is how many attempts in a row must go well for half of the failures before to be forgotten.
	forgivenBy = 5
	// farOff is by which factor a figure must be off its mean, surprising times in a row, for what was known to be
	// forgotten: the target is another one now. By mere chance that is rare: about once in a hundred times even where figures
	// are spread as widely as an exponential distribution.
	farOff, surprising = 4, 3
)

// notice finds out that a target has changed, for better or worse, sooner than its past would fade.
func (s *sums) notice(r *Report) {
	bad := uint32(0)
	for _, n := range r.Failed {
		bad += n
	}
	if bad > 0 {
		s.wins = 0
	} else if s.wins += int(r.Attempts); s.wins >= forgivenBy {
		s.wins = 0
		for i := range s.failed {
			s.failed[i] /= 2
		}
	}
	s.firstToken.notice(r.FirstToken)
	s.speed.notice(r.Speed)
}

// weight is what a sample weighs now.
func (s *sums) weight(now time.Time) float64 {
	const tooHeavy = 40 // half-lives, well within a float
	if s.landmark.IsZero() {
		s.landmark = now
	}
	age := float64(now.Sub(s.landmark)) / float64(HalfLife)
	if age > tooHeavy {
		s.scale(math.Exp2(-age))
		s.landmark, age = now, 0
	}
	return math.Exp2(max(age, -tooHeavy))
}

// limit forgets evenly what is more than memory holds. The weight is that of a sample now.
func (s *sums) limit(weight float64) {
	if n := s.attempts / weight; n > memory {
		s.scale(memory / n)
	}
}

func (s *sums) scale(by float64) {
	s.attempts *= by
	for i := range s.failed {
		s.failed[i] *= by
	}
	s.firstToken.scale(by)
	s.speed.scale(by)
}

// forgive forgets the failures: a circuit closed, so what made it open is over.
func (s *sums) forgive() {
	s.attempts, s.failed = 0, [classes]float64{}
}

// stats is what the sums come to now.
func (s *sums) stats(now time.Time) *Stats {
	w := s.weight(now)
	st := &Stats{At: now, Attempts: s.attempts / w, FirstToken: s.firstToken.spread(w), Speed: s.speed.spread(w)}
	for i, n := range s.failed {
		st.Failed[i] = n / w
	}
	return st
}

// A digest is a histogram whose bounds grow by half of an octave, from least upwards.
type digest struct {
	buckets    [buckets]float64
	count, sum float64
	surprises  int // samples in a row that are far above the mean; below zero, far below
}

const (
	buckets = 48
	least   = 1.0 / 1024 // a millisecond, or a token in a quarter of an hour
)

// notice is told of samples before they are added.
func (d *digest) notice(m Mean) {
	if m.Count == 0 || d.count == 0 {
		return
	}
	switch mean := d.sum / d.count; {
	case m.Mean > farOff*mean:
		d.surprises = max(d.surprises, 0) + 1
	case m.Mean < mean/farOff:
		d.surprises = min(d.surprises, 0) - 1
	default:
		d.surprises = 0
	}
	if d.surprises == surprising || d.surprises == -surprising {
		*d = digest{}
	}
}

func (d *digest) add(value, weight float64) {
	if !(value > 0) || math.IsInf(value, 1) { // neither is NaN
		return
	}
	i := int(2 * math.Log2(value/least))
	d.buckets[min(max(i, 0), buckets-1)] += weight
	d.count += weight
	d.sum += weight * value
}

// below reports whether the mean is known, and below a value.
func (d *digest) below(value float64) bool { return d.count > 0 && d.sum < value*d.count }

func (d *digest) scale(by float64) {
	for i := range d.buckets {
		d.buckets[i] *= by
	}
	d.count *= by
	d.sum *= by
}

func (d *digest) spread(weight float64) Spread {
	if d.count <= 0 {
		return Spread{}
	}
	s := Spread{Count: d.count / weight, Mean: d.sum / d.count}
	ranks := [...]struct {
		share float64
		value *float64
	}{{0.5, &s.P50}, {0.95, &s.P95}}
	below, next := 0.0, 0
	for i, n := range d.buckets {
		below += n
		for next < len(ranks) && (below >= ranks[next].share*d.count || i == buckets-1) {
			*ranks[next].value = least * math.Exp2((float64(i)+0.5)/2) // the middle of the bucket
			next++
		}
	}
	return s
}
