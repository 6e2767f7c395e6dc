package credit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// renewEvery is how often leases are extended, and cut down to what is needed.
	renewEvery = 10 * time.Second
	// idleAfter is how long after its last request an account's lease is given back.
	idleAfter = 30 * time.Second
	// upkeepTimeout bounds one round of renewals or shares.
	upkeepTimeout = 5 * time.Second
	// shortOfCredit is how long a lease waits for the next share in the background when it got less than half of what it
	// asked for.
	shortOfCredit = time.Second
)

// Run fetches shares for leases that run low and renews all of them, until ctx ends. Failures are logged and tried again.
// It gives nothing back in the end: that is for Close, once the spool is drained.
//
// No actor is asked for: no door reaches it.
func (l *Leases) Run(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
			err = l.fetchLow(ctx)
		case <-tick.C:
			err = l.renew(ctx, false)
		}
		if err != nil && ctx.Err() == nil {
			l.failed(err)
		}
	}
}

// Close gives back what is free of every lease. It is called last: after Run has returned, when no request is left and the
// spool is drained. What is not given back, since Postgres is away or something is still held, the sweeper gives back
// later. Nothing can be reserved any more, but out of what a lease still has.
//
// No actor is asked for: no door reaches it.
func (l *Leases) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	// A second round for those whose version was not known in the first.
	for range 2 {
		if err := l.renew(ctx, true); err != nil {
			return fmt.Errorf("give credit leases back: %w", err)
		}
	}
	return nil
}

// fetchLow fetches shares for the leases that are low.
func (l *Leases) fetchLow(ctx context.Context) error {
	l.mu.Lock()
	low := l.low
	l.low = nil
	l.mu.Unlock()
	var failure error
	for len(low) > 0 {
		n := min(len(low), batch)
		requests := make([]request, n)
		for i, e := range low[:n] {
			requests[i] = e.request(0)
		}
		var shares map[id.Account]*share
		if failure == nil {
			shares, failure = l.ask(ctx, requests)
		}
		for i, e := range low[:n] {
			e.fetched(requests[i], shares[e.account], l.clock())
		}
		low = low[n:]
	}
	return failure
}

// fetched puts the answer of a background request into the lease.
func (e *lease) fetched(r request, s *share, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fetching = false
	e.answered(s)
	if s == nil || s.taken < r.want/2 {
		e.quiet = now.Add(shortOfCredit)
	}
}

// ask takes shares in Postgres: the accounts are locked first, in a statement of its own, so that the next one sees all
// leases that others took while this one waited.
func (l *Leases) ask(ctx context.Context, requests []request) (map[id.Account]*share, error) {
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	arg := db.TakeLeasesParams{NodeID: l.node, Lifetime: interval(lifetime), RowLimit: batch}
	for _, r := range requests {
		arg.AccountIds = append(arg.AccountIds, r.account.UUID)
		arg.Needs = append(arg.Needs, int64(r.need))
		arg.Wants = append(arg.Wants, int64(r.want))
	}
	shares := make(map[id.Account]*share, len(requests))
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		if err := l.q.LockCreditAccounts(ctx, tx, arg.AccountIds); err != nil {
			return err
		}
		rows, err := l.q.TakeLeases(ctx, tx, arg)
		if err != nil {
			return err
		}
		for _, row := range rows {
			s := &share{taken: money.Amount(row.Taken), available: money.Amount(row.Available)}
			if row.Version != nil {
				s.version = *row.Version
			}
			shares[row.AccountID] = s
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("take credit leases: %w", err)
	}
	return shares, nil
}

// renew extends every lease, gives back what is idle, and forgets the leases that are empty and unused. final gives back
// all that is free.
func (l *Leases) renew(ctx context.Context, final bool) error {
	l.mu.RLock()
	all := make([]*lease, 0, len(l.leases))
	for _, e := range l.leases {
		all = append(all, e)
	}
	l.mu.RUnlock()
	for len(all) > 0 {
		n := min(len(all), batch)
		if err := l.renewBatch(ctx, all[:n], final); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (l *Leases) renewBatch(ctx context.Context, some []*lease, final bool) error {
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	arg := db.RenewLeasesParams{NodeID: l.node, Lifetime: interval(lifetime), RowLimit: batch}
	renewals := make([]renewal, len(some))
	for i, e := range some {
		r := e.beginRenewal(l.clock(), final)
		renewals[i] = r
		arg.AccountIds = append(arg.AccountIds, e.account.UUID)
		arg.Returned = append(arg.Returned, int64(r.returned))
		arg.Versions = append(arg.Versions, r.version)
	}
	rows, err := l.q.RenewLeases(ctx, l.pool, arg)
	if err != nil {
		for i, e := range some {
			e.loseRenewal(renewals[i])
		}
		return fmt.Errorf("renew credit leases: %w", db.Classify(err))
	}
	answers := make(map[id.Account]*db.RenewLeasesRow, len(rows))
	for i := range rows {
		answers[rows[i].AccountID] = &rows[i]
	}
	for i, e := range some {
		if lost := e.endRenewal(renewals[i], answers[e.account]); lost > 0 {
			l.log.Error("a credit lease has vanished", "account", e.account, "amount", lost)
		}
	}
	l.forget(some)
	return nil
}

// forget drops leases that nothing is in and nobody has used for a while.
func (l *Leases) forget(some []*lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	for _, e := range some {
		if e.drop(now) {
			delete(l.leases, e.account)
		}
	}
}

func (e *lease) drop(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropped = e.amount == 0 && e.pending == 0 && e.holds == 0 && e.flight == nil && e.asking == 0 && !e.fetching && e.idle(now)
	return e.dropped
}

func (e *lease) idle(now time.Time) bool { return e.holds == 0 && now.Sub(e.used) >= idleAfter }

// A renewal is what one round asks of one row.
type renewal struct {
	returned money.Amount // taken out of the lease already
	version  time.Time
	changes  int
}

// beginRenewal sets aside what is to be given back, and begins a new stretch of use.
func (e *lease) beginRenewal(now time.Time, final bool) renewal {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending < 0 && e.holds == 0 {
		// Booked, and released without having been settled: it must not count as credit.
		e.unheard = e.unheard.Add(-e.pending)
		e.pending = 0
	}
	e.pace = (e.pace + e.spent) / 2
	e.spent = 0
	e.lastSize, e.size = e.size, 0

	r := renewal{version: e.version}
	free := e.free()
	if e.used.After(now) { // the clock jumped back
		e.used = now
	}
	switch keep := e.target(); {
	case e.version.IsZero() || free <= 0 || e.waiting > 0:
	case final || e.idle(now):
		r.returned = free
	case free > 2*keep:
		r.returned = free - keep
	}
	e.amount -= r.returned
	r.changes = e.changes
	return r
}

// endRenewal makes the lease follow its row; no row is an empty one. lost is what the lease had that its row has not.
func (e *lease) endRenewal(r renewal, row *db.RenewLeasesRow) (lost money.Amount) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if row == nil || !row.Lowered {
		e.amount = e.amount.Add(r.returned)
	}
	// Whether anything of this node moved the row while it was read.
	current := e.changes == r.changes && e.asking == 0
	if row == nil {
		if current && e.amount != 0 {
			lost = e.amount
			e.amount = 0
		}
		return lost
	}
	e.version = row.ExpiresAt
	e.available = money.Amount(row.Available)
	if current {
		// A row has more than is known here after a statement whose answer was lost, and after a charge beyond its lease, at
		// which the row stops at zero.
		e.amount = max(e.amount, money.Amount(row.Amount))
	}
	return 0
}

// loseRenewal is for a round without an answer. What was to be given back may have been: it is not counted on until the
// row is read again, under a new version that a late statement cannot lower.
func (e *lease) loseRenewal(renewal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	e.version = time.Time{}
}
