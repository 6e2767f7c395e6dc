package auth

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"time"

	"aihigress/internal/fault"
)

// attempts bounds the guessing of passwords. What is promised:
//
//   - of failed sign-ins, 10 with one e-mail address and then one in 30 seconds, whether or not somebody has it;
//   - 30 from one address (IPv6: one /64) and then one in 10 seconds;
//   - each node counts for itself and forgets when it stops, so n nodes let n times as many through;
//   - memory is bounded: behind 10,000 others a count may be forgotten, which costs a guesser as many attempts, and
//     these are counted against the addresses they come from.
//
// A sign-in that succeeds is not counted. Who knows an e-mail address can keep its owner from signing in anew for as
// long as they keep guessing; sessions that are there go on.
type attempts struct {
	seed    maphash.Seed
	email   throttle
	address throttle
}

func newAttempts() *attempts {
	return &attempts{
		seed:    maphash.MakeSeed(),
		email:   throttle{burst: 10, every: 30 * time.Second, max: 10_000},
		address: throttle{burst: 30, every: 10 * time.Second, max: 10_000},
	}
}

// begin counts an attempt as failed, or refuses it. succeeded takes the count back.
func (a *attempts) begin(email, ip string, now time.Time) (succeeded func(), err error) {
	emailKey := maphash.String(a.seed, strings.ToLower(strings.TrimSpace(email)))
	if wait := a.email.take(emailKey, now); wait > 0 {
		return nil, tooMany(wait)
	}
	network, known := networkOf(ip)
	if !known {
		return func() { a.email.giveBack(emailKey) }, nil
	}
	addressKey := maphash.String(a.seed, network)
	if wait := a.address.take(addressKey, now); wait > 0 {
		a.email.giveBack(emailKey)
		return nil, tooMany(wait)
	}
	return func() {
		a.email.giveBack(emailKey)
		a.address.giveBack(addressKey)
	}, nil
}

func tooMany(wait time.Duration) error {
	return fault.New(fault.Limited, "too many failed attempts, try again later").WithCode("too_many_attempts").After(wait)
}

// networkOf is what one household or host has: an IPv4 address or an IPv6 /64.
func networkOf(ip string) (network string, ok bool) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return "", false
	}
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		return addr.String(), true
	}
	prefix, err := addr.Prefix(64)
	return prefix.String(), err == nil
}

// A throttle lets burst through at once and then one each time that every has passed, for each key (GCRA: all that is
// kept of a key is when it will be as if it had never been seen).
//
// Keys live in two generations: when the recent one is full, it becomes the older one, and what was there is forgotten.
type throttle struct {
	burst int
	every time.Duration
	max   int // keys of a generation

	mu            sync.Mutex
	recent, older map[uint64]time.Time
}

// take uses up one; where none is left it is refused, and wait says for how long.
func (t *throttle) take(key uint64, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear := t.clearAt(key)
	if clear.Before(now) {
		clear = now
	}
	clear = clear.Add(t.every)
	if over := clear.Sub(now) - time.Duration(t.burst)*t.every; over > 0 {
		return over
	}
	t.set(key, clear)
	return 0
}

// giveBack undoes one take.
func (t *throttle) giveBack(key uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if clear := t.clearAt(key); !clear.IsZero() {
		t.set(key, clear.Add(-t.every))
	}
}

func (t *throttle) clearAt(key uint64) time.Time {
	if clear, ok := t.recent[key]; ok {
		return clear
	}
	return t.older[key]
}

func (t *throttle) set(key uint64, clear time.Time) {
	if _, ok := t.recent[key]; !ok && len(t.recent) >= t.max || t.recent == nil {
		t.older, t.recent = t.recent, make(map[uint64]time.Time)
	}
	t.recent[key] = clear
}
