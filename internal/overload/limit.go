package overload

import (
	"math"
	"time"

	"aihigress/internal/health"
)

const (
	// keeps is the share of what was in flight that a sign of overload leaves.
	keeps = 0.7
	// recovery is how long the limit takes to be where it was at the sign. It stays about there for as long again, where
	// it most likely belongs, and is twenty times that after a minute and a quarter.
	recovery = 15 * time.Second
	// few is the least that a first sign takes for too much: with less in flight it may be the rate that the vendor means.
	few = 10

	// badShare is the share of the recent attempts that must be refused before that is a sign: large vendors refuse one in a
	// thousand on a good day. Recent is what fades with a half-life of halfLife.
	badShare = 0.05
	halfLife = 10 * time.Second

	// samples is how many first tokens are looked at together.
	samples = 10
	// slower is how many times as long as usual, and slowerBy by how much, the mean first token comes when it is late; busier is
	// how many times as much as usual must have been in flight then for that to be the reason.
	slower   = 2
	slowerBy = 500 * time.Millisecond
	busier   = 1.3
	// helped is the share that the first token must come sooner after a cut for the cut to have been of use.
	helped = 0.1
	// alike is by how much later than usual the first token may come for what is in flight to be usual too.
	alike = 0.02
	// creeps is by how much what is usual grows with each look, while no more than usual is in flight.
	creeps = 0.002
)

// A limit is how many attempts a target may have in flight. A sign of overload cuts it below what was in flight; then it
// grows along a cubic curve: fast, slow around where the sign was, then fast again (as TCP CUBIC does; RFC 9438). It grows
// by time alone, so that a target that nobody asks is forgiven too. It is pure: the time is an argument.
type limit struct {
	top  float64   // without a sign of overload
	knee float64   // what was too much at the last sign; 0 where there is none, or it is forgotten
	cut  time.Time // the last sign

	ended, bad float64   // recent attempts, and those of them that were refused
	counted    time.Time // when these were right

	look   latency
	usual  latency // as it usually is
	slow   float64 // the mean logarithm that the last cut was made for
	waited bool    // whether it was made for that
}

// A latency is how long first tokens take while so many attempts are in flight.
type latency struct {
	n   int
	log float64 // of seconds: a sum of n, or their mean; so that one very long prompt does not count for all
	in  float64 // in flight, in the same way
}

// at is the limit, at least 1.
func (l *limit) at(now time.Time) int {
	if l.knee == 0 {
		return int(l.top)
	}
	x := max(now.Sub(l.cut).Seconds()/recovery.Seconds(), 0) - 1
	v := l.knee * (1 + (1-keeps)*x*x*x)
	if v >= l.top {
		l.knee = 0
		return int(l.top)
	}
	return max(int(v), 1)
}

// cuts reports whether there is a sign of overload that is not forgotten.
func (l *limit) cuts() bool { return l.knee > 0 }

// reduce cuts the limit, where so many in flight were too much.
func (l *limit) reduce(now time.Time, inFlight int) {
	l.knee = min(float64(l.at(now)), float64(max(inFlight, few)))
	l.cut = now
	l.look, l.waited = latency{}, false
	l.ended, l.bad = 0, 0
}

// end learns from an attempt that ended. It began as one of so many in flight: that is what the target thought too much, and
// not what is in flight when its answer comes.
func (l *limit) end(class health.Class, began, now time.Time, inFlight int) {
	bad := class == health.RateLimited || class == health.Overloaded || class == health.TimedOut
	if !bad && class != health.OK || began.Before(l.cut) {
		return // it says nothing of the target, or was on its way already when the limit was cut
	}
	fade := math.Exp2(-max(now.Sub(l.counted).Seconds(), 0) / halfLife.Seconds())
	l.ended, l.bad, l.counted = l.ended*fade+1, l.bad*fade, now
	if !bad {
		l.grow(inFlight)
		return
	}
	if l.bad++; l.bad >= badShare*l.ended {
		l.reduce(now, inFlight)
	}
}

// first learns from the first content of an attempt.
func (l *limit) first(began, now time.Time, inFlight int) {
	if began.Before(l.cut) {
		return
	}
	l.grow(inFlight)
	l.look.log += math.Log(max(now.Sub(began), time.Millisecond).Seconds())
	l.look.in += float64(inFlight)
	if l.look.n++; l.look.n < samples {
		return
	}
	seen := latency{samples, l.look.log / samples, l.look.in / samples}
	l.look = latency{}
	late := seen.log > l.usual.log+math.Log(slower) && math.Exp(seen.log)-math.Exp(l.usual.log) > slowerBy.Seconds() && seen.in >= few
	switch {
	case l.usual.n == 0:
		l.usual = seen
	case l.waited && seen.log > l.slow+math.Log(1-helped):
		// Less in flight made it no faster: it is slow for reasons of its own, and has all the more in flight for it.
		l.usual, l.knee, l.waited = seen, 0, false
	case late && seen.in < busier*l.usual.in:
		l.usual = seen // the same
	case late:
		l.reduce(now, int(seen.in))
		l.slow, l.waited = seen.log, true
	default:
		l.waited = false
		if seen.log < l.usual.log {
			l.usual.log += (seen.log - l.usual.log) / 4
		} else if seen.in <= l.usual.in {
			l.usual.log += min(seen.log-l.usual.log, math.Log(1+creeps))
		}
		if seen.log < l.usual.log+math.Log(1+alike) {
			l.usual.in += (seen.in - l.usual.in) / 2
		}
	}
}

// grow raises the top where a target does well with the last that it may have in flight.
func (l *limit) grow(inFlight int) {
	if l.knee == 0 && inFlight >= int(l.top) {
		l.top++
	}
}

// A drain is how fast slots come free at a target that is at its limit.
type drain struct {
	gap  time.Duration // between two, on average; 0 is unknown
	last time.Time     // when one did, or the last was taken; zero where the target was not at its limit
}

// taken notes that a slot was taken, and whether it was the last.
func (d *drain) taken(now time.Time, full bool) {
	if full && d.last.IsZero() {
		d.last = now
	}
}

// freed notes that a slot came free, and whether the target was at its limit.
func (d *drain) freed(now time.Time, full bool) {
	switch {
	case !full:
		d.last = time.Time{}
		return
	case d.last.IsZero():
	case d.gap == 0:
		d.gap = now.Sub(d.last)
	default:
		d.gap += (now.Sub(d.last) - d.gap) / 8
	}
	d.last = now
}

// until is about how long it takes for so many slots to come free; 0 is unknown.
func (d *drain) until(slots int, now time.Time) time.Duration {
	gap := d.gap
	if !d.last.IsZero() {
		gap = max(gap, now.Sub(d.last)) // it has become slower
	}
	return gap * time.Duration(slots)
}
