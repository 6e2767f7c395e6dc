package credit

import (
	"sync"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/money"
)

// lifetime is how long a lease lasts without renewal. It decides only when a stopped node's leases may be swept.
const lifetime = 60 * time.Second

// A lease is one account's share on this node. What is free of it is the row's amount, less what was spent and is not
// booked yet, less the holds. Booking lowers row and spent together, and so leaves what is free as it is.
type lease struct {
	account id.Account

	mu      sync.Mutex
	amount  money.Amount // what the row has, as far as this node knows: never more, but for bookings it has not heard of
	pending money.Amount // settled but not booked; below zero while a booking is ahead of its settling
	unheard money.Amount // booked of holds that were released, and may yet be settled
	held    money.Amount
	holds   int       // open ones
	version time.Time // of the row, for giving back; zero where unknown
	changes int       // counts whatever moves amount, to tell whether a row that was read is still the newest
	dropped bool      // no longer in the map

	available money.Amount // of the account, not leased by any node, when last heard of; plenty before
	size      money.Amount // largest hold since the last renewal
	lastSize  money.Amount // and in the time before
	spent     money.Amount // since the last renewal
	pace      money.Amount // spent between two renewals, averaged
	used      time.Time    // last reservation

	flight   *flight   // a question to Postgres that requests wait for
	waiting  int       // how many have begun to
	asking   int       // questions to Postgres that are not answered
	fetching bool      // waits for a share in the background
	quiet    time.Time // until then no share is fetched in the background
	refused  time.Time // until then what was refused is refused again
	lacking  money.Amount
}

// A flight is one question to Postgres that any number of requests wait for.
type flight struct {
	done    chan struct{} // closed once the answer is in the lease, which is when the rest may be read
	need    money.Amount
	refused bool // the account does not have the need
	err     error
}

func newLease(account id.Account, now time.Time) *lease {
	return &lease{account: account, used: now, available: money.MaxAmount}
}

func (e *lease) free() money.Amount { return e.amount.Add(-e.pending).Add(-e.held) }

// take holds the amount if it is free. low says that the caller should have a share fetched.
func (e *lease) take(amount money.Amount, now time.Time) (hold *Hold, low bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dropped || amount > 0 && e.free() < amount {
		return nil, false
	}
	e.held = e.held.Add(amount)
	e.holds++
	e.size = max(e.size, amount)
	e.used = now
	if amount > 0 && !e.fetching && e.free() < e.target()/2 && !before(now, e.quiet, shortOfCredit) {
		e.fetching = true
		low = true
	}
	return &Hold{lease: e, amount: amount}, low
}

// join joins the flight that asks for more, or starts one for the caller to lead. There is none where the amount has become
// free meanwhile, or the lease was dropped: the caller looks again.
func (e *lease) join(amount money.Amount, now time.Time) (f *flight, need money.Amount, lead bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	need = amount.Add(-e.free())
	if e.dropped || amount == 0 || need <= 0 {
		return nil, 0, false, nil
	}
	if before(now, e.refused, askAgain) && need >= e.lacking {
		return nil, 0, false, insufficient()
	}
	e.waiting++
	if e.flight == nil {
		e.flight = &flight{done: make(chan struct{}), need: need}
		lead = true
	}
	return e.flight, need, lead, nil
}

// A request asks Postgres for a share: need or nothing, and want where there is plenty.
type request struct {
	account    id.Account
	need, want money.Amount
}

func (e *lease) request(need money.Amount) request {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	e.asking++
	// Requests that wait together would otherwise come back for one hold each.
	want := max(e.wish(), times(need, int64(max(e.waiting, 10))))
	return request{account: e.account, need: need, want: max(want.Add(-e.free()), 0)}
}

// A share is Postgres's answer to a request.
type share struct {
	taken     money.Amount
	available money.Amount
	version   time.Time // zero where nothing was taken
}

// land puts an answer into the lease and lets those who wait look again.
func (e *lease) land(f *flight, s *share, err error, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f.err = err
	f.refused = err == nil && (s == nil || s.taken == 0)
	if f.refused {
		e.refused, e.lacking = now.Add(askAgain), f.need
	}
	e.answered(s)
	e.flight, e.waiting = nil, 0
	close(f.done)
}

// answered puts a share into the lease; nil is none, or no answer.
func (e *lease) answered(s *share) {
	e.changes++
	e.asking--
	if s == nil {
		return
	}
	e.amount = e.amount.Add(s.taken)
	e.available = s.available
	if s.taken > 0 {
		e.version = s.version
	}
}

func (e *lease) booked(charge money.Amount) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	// Not cut at zero, as the row is: so whatever comes in between, memory has no more than the row. Renewal evens it out.
	e.amount = e.amount.Add(-charge)
	e.pending = e.pending.Add(-charge)
}

// wish is what the account's use asks for: ten holds, or two minutes at its pace (twelve renewals).
func (e *lease) wish() money.Amount {
	return max(times(max(e.size, e.lastSize), 10), times(e.pace, 12))
}

// target is how much should be free, within what a node may keep of the idle credit that it knows of.
func (e *lease) target() money.Amount {
	idle := max(e.available, 0).Add(max(e.free(), 0))
	return max(e.size, e.lastSize, min(max(e.wish(), idle/16), idle/4))
}

// before reports whether an end is still to come that was set to be so far away at most. A clock that jumped back does not
// make it longer.
func before(now, end time.Time, most time.Duration) bool {
	return now.Before(end) && end.Sub(now) <= most
}

func times(a money.Amount, n int64) money.Amount {
	if a > money.MaxAmount/money.Amount(max(n, 1)) {
		return money.MaxAmount
	}
	return a * money.Amount(n)
}

// A Hold is an amount set aside for one request. Settle and Release may race: the hold ends once.
type Hold struct {
	lease   *lease
	amount  money.Amount
	ended   bool // under the lease's lock, as is settled
	settled bool
}

// Amount is what is held.
func (h *Hold) Amount() money.Amount { return h.amount }

// Settle ends the hold and counts the charge, which may be less or more, as spent until it is booked. It is called for
// every charge that goes to the spool, once it is there; a second call does nothing. After Release it still counts the
// charge: a hold never decides whether a charge is booked.
func (h *Hold) Settle(charge money.Amount) {
	e := h.lease
	e.mu.Lock()
	defer e.mu.Unlock()
	late := h.ended
	h.end()
	if h.settled {
		return
	}
	h.settled = true
	charge = max(charge, 0)
	e.spent = e.spent.Add(charge)
	if late {
		known := min(charge, e.unheard)
		e.unheard -= known
		charge -= known
	}
	e.pending = e.pending.Add(charge)
}

// Release ends the hold of a request that costs nothing. After Settle it does nothing.
func (h *Hold) Release() {
	h.lease.mu.Lock()
	defer h.lease.mu.Unlock()
	h.end()
}

func (h *Hold) end() {
	if h.ended {
		return
	}
	h.ended = true
	h.lease.held -= h.amount
	h.lease.holds--
}
