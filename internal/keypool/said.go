package keypool

import (
	"cmp"
	"slices"
	"time"

	"aihigress/internal/id"
)

// A said is what a vendor said last of one key and model, by dimension.
type said struct{ buckets [dimensions]bucket }

// A bucket is one limit of a vendor's. Where limit is zero nothing was said.
type bucket struct {
	limit float64
	left  float64   // at a time
	at    time.Time //
	full  time.Time // when all is there again; not after at where the vendor did not say
}

func (s *said) empty() bool {
	for i := range s.buckets {
		if s.buckets[i].limit > 0 {
			return false
		}
	}
	return true
}

// now is what is left by now. Vendors fill their buckets evenly; one who does not say by when has filled it.
func (b *bucket) now(now time.Time) float64 {
	if !now.Before(b.full) {
		return b.limit
	}
	passed := float64(now.Sub(b.at)) / float64(b.full.Sub(b.at))
	return b.left + (b.limit-b.left)*max(passed, 0)
}

// until is how long the bucket takes to hold n.
func (b *bucket) until(n float64, now time.Time) time.Duration {
	left := b.now(now)
	if left >= n || b.limit <= left {
		return 0
	}
	return time.Duration(float64(b.full.Sub(now)) * (n - left) / (b.limit - left))
}

// take counts what is sent, until the vendor says more.
func (b *bucket) take(n float64, now time.Time) {
	if !now.Before(b.full) {
		return // nobody knows how fast it fills
	}
	b.left, b.at = max(min(b.now(now)-n, b.limit), 0), now
}

// wants is what an attempt takes of a dimension.
func (d Dimension) wants(prompt int64) float64 {
	switch d {
	case Requests:
		return 1
	case Tokens, InputTokens:
		return float64(max(prompt, 1))
	case OutputTokens, dimensions:
	}
	return 1
}

// use counts an attempt, or says how long the vendor has no room for it.
func (p *Pool) use(at place, prompt int64) time.Duration {
	p.mu.RLock()
	s := p.said[at]
	p.mu.RUnlock()
	if s == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, longest := p.clock(), time.Duration(0)
	for i := range s.buckets {
		b := &s.buckets[i]
		longest = max(longest, b.until(min(Dimension(i).wants(prompt), b.limit), now))
	}
	if longest == 0 {
		s.take(prompt, 1, now)
	}
	return longest
}

// unuse gives back what use counted.
func (p *Pool) unuse(at place, prompt int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.said[at]; s != nil {
		s.take(prompt, -1, p.clock())
	}
}

func (s *said) take(prompt int64, times float64, now time.Time) {
	for i := range s.buckets {
		if b := &s.buckets[i]; b.limit > 0 {
			b.take(times*Dimension(i).wants(prompt), now)
		}
	}
}

// saidRoom is the share of the scarcest of a vendor's limits that is left.
func (p *Pool) saidRoom(at place) float64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	s := p.said[at]
	if s == nil {
		return 1
	}
	now, room := p.clock(), 1.0
	for i := range s.buckets {
		if b := &s.buckets[i]; b.limit > 0 {
			room = min(room, b.now(now)/b.limit)
		}
	}
	return room
}

// note keeps what a vendor said. What was said before of other dimensions stays.
func (p *Pool) note(at place, read said, tell bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.said[at]
	if s == nil {
		if len(p.said) >= MaxPlaces {
			p.forgetOne()
		}
		s = &said{}
		p.said[at] = s
	}
	for i := range read.buckets {
		if read.buckets[i].limit > 0 && !read.buckets[i].at.Before(s.buckets[i].at) {
			s.buckets[i] = read.buckets[i]
		}
	}
	if tell && p.bus != nil {
		p.news[at] = struct{}{}
	}
}

// forgetOne drops the oldest of a few, chosen by chance.
func (p *Pool) forgetOne() {
	const looks = 16
	var oldest place
	var when time.Time
	n := 0
	for at, s := range p.said {
		heard := time.Time{}
		for i := range s.buckets {
			if s.buckets[i].at.After(heard) {
				heard = s.buckets[i].at
			}
		}
		if n == 0 || heard.Before(when) {
			oldest, when = at, heard
		}
		if n++; n == looks {
			break
		}
	}
	delete(p.said, oldest)
	delete(p.news, oldest)
}

// Learnt is one limit that a vendor told of.
type Learnt struct {
	UpstreamID string // of the model
	Dimension  Dimension
	Limit      int64
	Remaining  int64     // by now, as far as this node knows
	ResetAt    time.Time // when all is there again
}

// Learnt is what vendors told of a key, in no order.
func (p *Pool) Learnt(key id.ProviderKey) []Learnt {
	p.mu.RLock()
	defer p.mu.RUnlock()
	now := p.clock()
	var all []Learnt
	for at, s := range p.said {
		if at.Key != key {
			continue
		}
		for i := range s.buckets {
			if b := &s.buckets[i]; b.limit > 0 {
				all = append(all, Learnt{at.Model, Dimension(i), int64(b.limit), int64(b.now(now)), b.full})
			}
		}
	}
	return all
}

// Sorted puts limits into a steady order.
func Sorted(all []Learnt) []Learnt {
	slices.SortFunc(all, func(a, b Learnt) int {
		return cmp.Or(cmp.Compare(a.UpstreamID, b.UpstreamID), cmp.Compare(a.Dimension, b.Dimension))
	})
	return all
}
