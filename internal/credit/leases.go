package credit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// reserveTimeout is how long a request waits for Postgres when its node's lease does not do.
	reserveTimeout = 2 * time.Second
	// askAgain is how soon Postgres is asked again after it failed or refused. In between the answer is given from memory,
	// so that neither an outage nor an empty account makes a statement per request; a grant is noticed that much later.
	askAgain = 100 * time.Millisecond
	// unavailableRetry is what a caller is told to wait when Postgres is away.
	unavailableRetry = time.Second
	// batch is how many leases one statement takes or renews.
	batch = 1000
)

// Leases are one node's shares of the accounts' balances, in memory, backed by a row per account in Postgres.
//
// A request takes its hold from memory. Postgres is asked when an account is first used, or when its lease runs out before
// the next share has been fetched in the background; nothing else on a request's way waits for it. While Postgres is away
// requests go on until the lease is used up, even past its end: nobody takes a lease away from a node whose spool is not
// drained. Then they are refused with CodeUnavailable.
//
// How much is leased follows the account's use: ten times its largest recent hold, or what two minutes cost at the recent
// pace, or a sixteenth of what is idle, whichever is most, but never more than a quarter of what is idle. What is idle
// beyond that goes back on renewal, every ten seconds, and all of it half a minute after the last request. So a small
// balance is not starved over many nodes: twenty seconds after a refusal every other node that is in use keeps no more
// free than is available to all, or twice its largest recent hold; forty seconds after its last request it keeps nothing.
type Leases struct {
	pool  *pgxpool.Pool
	q     *db.Queries
	node  id.Node
	log   *slog.Logger
	clock func() time.Time

	recovered chan struct{} // closed by Recover
	wake      chan struct{} // of Run: a lease is low

	mu     sync.RWMutex
	leases map[id.Account]*lease
	low    []*lease  // wait for a share in the background
	down   time.Time // until then Postgres is not asked: it has just failed
	closed bool
}

// NewLeases returns the leases of a node, which is named by the id of its spool folder: after a restart it finds its own
// again. Nothing can be reserved before Recover. clock is time.Now but in tests.
func NewLeases(pool *pgxpool.Pool, node id.Node, log *slog.Logger, clock func() time.Time) *Leases {
	return &Leases{
		pool:      pool,
		q:         db.New(),
		node:      node,
		log:       log,
		clock:     clock,
		recovered: make(chan struct{}),
		wake:      make(chan struct{}, 1),
		leases:    make(map[id.Account]*lease),
	}
}

// Recover takes up the leases that an earlier run of this node left. It is called once; after an error, again. Call it when
// everything that the earlier run left in the spool is booked and the cursor is marked as not drained: a node gets no
// credit before it has paid what it owes.
//
// No actor is asked for: no door reaches it.
func (l *Leases) Recover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	rows, err := l.q.AdoptLeases(ctx, l.pool, db.AdoptLeasesParams{NodeID: l.node, Lifetime: interval(lifetime)})
	if err != nil {
		return fmt.Errorf("recover credit leases: %w", db.Classify(err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.recovered:
		return errors.New("recover credit leases: called twice")
	default:
	}
	now := l.clock()
	for _, row := range rows {
		e := newLease(row.AccountID, now)
		e.amount, e.version = row.Amount, row.ExpiresAt
		l.leases[row.AccountID] = e
	}
	close(l.recovered)
	return nil
}

// Reserve holds an amount of the account for one request, at no cost where the node's lease has it. Every hold must be
// ended, by Settle or Release. A hold of nothing is always given: a free model answers on an empty account too.
//
// Too little credit is fault.Exhausted with CodeInsufficient. A lease that is used up while Postgres cannot be asked is an
// internal failure with CodeUnavailable and a Retry.
//
// No actor is asked for: the caller has verified the key whose account this is.
func (l *Leases) Reserve(ctx context.Context, account id.Account, amount money.Amount) (*Hold, error) {
	amount = max(amount, 0)
	if hold := l.take(account, amount); hold != nil {
		return hold, nil
	}
	waiting, cancel := context.WithTimeout(ctx, reserveTimeout)
	defer cancel()
	select {
	case <-l.recovered:
	case <-waiting.Done():
		return nil, waited(ctx, errors.New("leases of the node's earlier run are not recovered yet"))
	}
	for {
		e, err := l.open(account)
		if err != nil {
			return nil, err
		}
		f, need, err := l.join(ctx, e, amount)
		if err != nil {
			return nil, err
		}
		if f != nil {
			select {
			case <-f.done:
			case <-waiting.Done():
				return nil, waited(ctx, waiting.Err())
			}
			switch {
			case f.err != nil:
				return nil, unavailable(f.err)
			case f.refused && need >= f.need:
				return nil, insufficient()
			}
		}
		if hold := l.take(account, amount); hold != nil {
			return hold, nil
		}
		if waiting.Err() != nil {
			return nil, waited(ctx, waiting.Err())
		}
	}
}

// take is the way of nearly every request: memory only.
func (l *Leases) take(account id.Account, amount money.Amount) *Hold {
	l.mu.RLock()
	e := l.leases[account]
	l.mu.RUnlock()
	if e == nil {
		return nil
	}
	now := l.clock()
	hold, low := e.take(amount, now)
	if low {
		l.fetch(e)
	}
	return hold
}

// open is the account's lease, made where there is none.
func (l *Leases) open(account id.Account) (*lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	switch {
	case l.closed:
		return nil, unavailable(errors.New("the node is stopping"))
	case before(now, l.down, askAgain):
		return nil, unavailable(errors.New("postgres failed just now"))
	}
	e := l.leases[account]
	if e == nil {
		e = newLease(account, now)
		l.leases[account] = e
	}
	return e, nil
}

// fetch lets Run fetch a share in the background.
func (l *Leases) fetch(e *lease) {
	l.mu.Lock()
	l.low = append(l.low, e)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// join lets the caller wait for a share of one account. The first to come asks Postgres, on behalf of all who join it.
func (l *Leases) join(ctx context.Context, e *lease, amount money.Amount) (f *flight, need money.Amount, err error) {
	f, need, lead, err := e.join(amount, l.clock())
	if err != nil || !lead {
		return f, need, err
	}
	// The others go on waiting when this caller has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserveTimeout)
	defer cancel()
	shares, err := l.ask(ctx, []request{e.request(need)})
	if err != nil {
		l.failed(err)
	}
	e.land(f, shares[e.account], err, l.clock())
	return f, need, nil
}

func (l *Leases) failed(err error) {
	l.mu.Lock()
	l.down = l.clock().Add(askAgain)
	l.mu.Unlock()
	l.log.Warn("credit leases: Postgres does not answer", "error", err)
}

// Booked tells that a charge of this node has been booked, after the commit, so that memory follows its row. It is called
// once for every charge that a batch booked, or for their sum, as soon as the batch is known to be committed: also where
// that is learnt only from the cursor, since the answer to the commit was lost.
func (l *Leases) Booked(account id.Account, charge money.Amount) {
	l.mu.RLock()
	e := l.leases[account]
	l.mu.RUnlock()
	if e != nil {
		e.booked(charge)
	}
}

// waited is the failure of a request that gave up waiting: its own, where its caller has gone.
func waited(ctx context.Context, why error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("reserve credit: %w", err)
	}
	return unavailable(why)
}

func unavailable(cause error) error {
	return fault.Wrap(cause, fault.Internal, "credit cannot be checked at the moment").WithCode(CodeUnavailable).After(unavailableRetry)
}

func insufficient() error {
	return fault.New(fault.Exhausted, "the account has too little credit for this request").WithCode(CodeInsufficient)
}
