package usage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// batchSize is how many requests are booked in one transaction at most; it takes what waits, so that the busier a node is,
	// the more requests share a commit, a minute's row and an account's.
	batchSize = 2000
	// batchWindow is how long the booker waits for company after the first request to book. It must leave most of the
	// second within which a finished request is listed.
	batchWindow = 200 * time.Millisecond
	// bookTimeout bounds one transaction.
	bookTimeout = 30 * time.Second
	// minRetry and maxRetry bound the wait between attempts while Postgres is away.
	minRetry = 100 * time.Millisecond
	maxRetry = 2 * time.Second
)

// A Ledger books charges. It is *credit.Ledger.
type Ledger interface {
	BookTx(ctx context.Context, tx pgx.Tx, node id.Node, charges []credit.Charge) (budgets map[id.Account]money.Amount, err error)
}

// Leases hear what has been booked, so that the node's memory and the lease's row agree. It is *credit.Leases.
type Leases interface {
	Booked(account id.Account, charge money.Amount)
}

// A Publisher sends to all nodes, best effort, and does not block for long. It is *event.Bus.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload any)
}

// BookerOptions are a booker's parts. All are needed.
type BookerOptions struct {
	Pool   *pgxpool.Pool
	Spool  *Spool
	Ledger Ledger
	Leases Leases
	Bus    Publisher
	Log    *slog.Logger
}

// A Booker carries the spool into Postgres: every finished request exactly once, in one transaction with its charge, its
// counts and the cursor that says how far the spool is booked.
//
// While Postgres is away the spool grows on disk, and nothing in memory.
type Booker struct {
	BookerOptions
	q        *db.Queries
	caughtUp chan struct{} // closed once all that was there at the start is booked
	stats    stats

	mu      sync.Mutex // Run and Drain take turns
	started bool
	start   Position // the spool's end when it was opened, recovered requests included
	at      Position // the cursor, as Postgres has it
	done    Position // up to where the spool is booked; where the cursor says, but for begin and recover
	reached Position // up to where it was read
	reader  *reader
	pending *batch // whose commit was the last to be tried
	live    liveTail
	usual   int // room for the next batch, by the size of the last
}

type stats struct{ booked, damaged, quarantined atomic.Int64 }

// BookerStats count since the process began.
type BookerStats struct {
	Booked      int64 // requests
	Damaged     int64 // places in the spool that could not be read and were skipped
	Quarantined int64 // records put aside since Postgres, or this code, refuses them
}

// NewBooker makes a booker of everything in the spool.
func NewBooker(options BookerOptions) *Booker {
	end, _ := options.Spool.tail()
	return &Booker{
		BookerOptions: options,
		q:             db.New(),
		caughtUp:      make(chan struct{}),
		start:         end,
		reader:        newReader(options.Spool.dir, Position{}),
	}
}

// Stats tells what has been booked and what could not be.
func (b *Booker) Stats() BookerStats {
	return BookerStats{
		Booked: b.stats.booked.Load(), Damaged: b.stats.damaged.Load(), Quarantined: b.stats.quarantined.Load(),
	}
}

// CaughtUp is closed once all that an earlier process left in the spool is booked.
func (b *Booker) CaughtUp() <-chan struct{} { return b.caughtUp }

// Run books until ctx ends. While Postgres is away it tries again, forever.
func (b *Booker) Run(ctx context.Context) error {
	if _, err := authz.Require(ctx, authz.UsageBook); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.reader.close()
	for {
		if !b.bookAll(ctx) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.Spool.grown:
		}
		if !wait(ctx, batchWindow) {
			return nil
		}
	}
}

// Drain books what is left in the spool and marks it as drained, so that the node's leases may be given back. Call it at
// a clean stop, when no request is let through any more and Run has returned; it waits for those that are just ending.
// Where it fails, the next start books the rest.
func (b *Booker) Drain(ctx context.Context) error {
	if _, err := authz.Require(ctx, authz.UsageBook); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.reader.close()
	b.recover(ctx) // Run may have been stopped with a batch in its hands
	for {
		if !b.bookAll(ctx) {
			return fmt.Errorf("drain spool: %w", ctx.Err())
		}
		end, open := b.Spool.tail()
		if open > 0 || end != b.reached {
			select {
			case <-b.Spool.grown:
				continue
			case <-ctx.Done():
				return fmt.Errorf("drain spool: %d requests are in flight: %w", open, ctx.Err())
			}
		}
		err := b.commit(ctx, &batch{to: end, drained: true})
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("drain spool: %w", err)
		}
		b.Log.Warn("cannot mark the spool as drained yet", "error", err)
		b.recover(ctx)
		if !wait(ctx, minRetry) {
			return fmt.Errorf("drain spool: %w", err)
		}
	}
}

// bookAll books what waits, however often Postgres goes away meanwhile. What is finished while the last of it is booked may be
// left for the next time, with company. It is false where ctx ended first.
func (b *Booker) bookAll(ctx context.Context) bool {
	retry, away := minRetry, false
	for {
		more, err := b.bookSome(ctx)
		if ctx.Err() != nil {
			return false
		}
		switch {
		case err == nil && !more:
			return true
		case err == nil:
			if away {
				b.Log.Info("booking again")
			}
			retry, away = minRetry, false
			continue
		case !away:
			b.Log.Error("cannot book; requests wait in the spool", "error", err)
			away = true
		}
		if !wait(ctx, retry) {
			return false
		}
		retry = min(2*retry, maxRetry)
		b.recover(ctx)
	}
}

// wait is false where ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// bookSome books one batch; more is false where it was all that waited.
func (b *Booker) bookSome(ctx context.Context) (more bool, err error) {
	if err := b.begin(ctx); err != nil {
		return false, err
	}
	part, err := b.collect()
	if err != nil {
		return false, err
	}
	if len(part.bookings) > 0 {
		if err := b.book(ctx, part); err != nil {
			return false, err
		}
	}
	if !part.to.Before(b.start) {
		b.markCaughtUp()
	}
	return len(part.bookings) >= batchSize, nil
}

func (b *Booker) markCaughtUp() {
	select {
	case <-b.caughtUp:
	default:
		close(b.caughtUp)
	}
}

// begin reads the cursor, and tells Postgres that this node's spool is in use.
func (b *Booker) begin(ctx context.Context) error {
	if b.started {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	hostname, _ := os.Hostname() // for people; may be empty
	row, err := b.q.StartSpoolCursor(ctx, b.Pool, db.StartSpoolCursorParams{NodeID: b.Spool.Node(), Hostname: hostname})
	if err != nil {
		return fmt.Errorf("read spool cursor: %w", db.Classify(err))
	}
	b.started = true
	b.at = Position{Segment: row.Segment, Offset: row.Position}
	b.done = b.at
	if b.at.Segment >= b.Spool.first {
		// It says that segments are booked which this process only begins to write: the folder has lost its last ones, or
		// the database is not the one of before. The rows' own keys keep what is read again from being booked again.
		b.Log.Warn("the spool's cursor is ahead of the spool; reading all of it", "segment", b.at.Segment)
		b.done = Position{}
	}
	b.reader.seek(b.done)
	return nil
}

// errMoved says that the cursor is not where it was left.
var errMoved = errors.New("the spool's cursor has moved")

// recover finds out, after a failure, how far Postgres has come: a commit whose answer was lost may have happened, and a
// standby that took over may have forgotten the last ones. Where Postgres does not answer, the cursor's guard will tell.
func (b *Booker) recover(ctx context.Context) {
	if !b.started {
		return
	}
	askCtx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	row, err := b.q.GetSpoolCursor(askCtx, b.Pool, b.Spool.Node())
	now := Position{Segment: row.Segment, Offset: row.Position}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		b.started = false // not the database of before: begin anew
		return
	case err != nil || now == b.at:
	case b.pending != nil && now == b.pending.to:
		b.committed(ctx, b.pending)
	default:
		b.Log.Warn("the spool's cursor was moved", "segment", now.Segment, "position", now.Offset)
		b.at = now
		if now.Before(b.done) {
			b.done = now
		}
	}
	b.reader.seek(b.done)
}
