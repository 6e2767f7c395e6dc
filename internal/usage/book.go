package usage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"aihigress/db"
	"aihigress/internal/credit"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// A booking is a finished request and the place behind its record.
type booking struct {
	event Event
	next  Position
}

// A batch is what one transaction books.
type batch struct {
	bookings []booking
	to       Position // up to where the spool is booked then
	drained  bool
	fresh    []*Event                    // those that were not there yet, once it was tried
	budgets  map[id.Account]money.Amount // what they took of budgets
}

// collect reads the next finished requests off the spool. None: the end is reached.
func (b *Booker) collect() (*batch, error) {
	part := &batch{to: b.done, bookings: make([]booking, 0, b.usual)}
	end, _ := b.Spool.tail()
	for len(part.bookings) < batchSize {
		rec, ok, err := b.reader.next(end)
		if err != nil {
			return nil, err
		}
		if n := b.reader.takeDamaged(); n > 0 {
			b.stats.damaged.Add(int64(n))
			b.Log.Error("a damaged place in the spool was skipped", "before_segment", b.reader.at.Segment, "before_position", b.reader.at.Offset)
		}
		if !ok {
			part.to = end
			break
		}
		part.to = rec.next
		kind, e, err := decodeRecord(rec.payload)
		switch {
		case err != nil:
			if err := b.quarantine(rec.payload, err); err != nil {
				return nil, err
			}
		case kind == finishedRecord:
			e.NodeID = b.Spool.Node()
			part.bookings = append(part.bookings, booking{e, rec.next})
		}
	}
	b.reached = part.to
	b.usual = len(part.bookings) + len(part.bookings)/4
	return part, nil
}

// book books a batch. One that Postgres refuses is halved until the request that it refuses stands alone, which is put
// aside if it is refused again: a row that meets the making of its day's partition is refused once.
func (b *Booker) book(ctx context.Context, part *batch) error {
	err := b.commit(ctx, part)
	if !refused(err) {
		return err
	}
	if len(part.bookings) > 1 {
		half := len(part.bookings) / 2
		first := &batch{bookings: part.bookings[:half], to: part.bookings[half-1].next}
		second := &batch{bookings: part.bookings[half:], to: part.to}
		if err := b.book(ctx, first); err != nil {
			return err
		}
		return b.book(ctx, second)
	}
	if err = b.commit(ctx, part); !refused(err) {
		return err
	}
	e := &part.bookings[0].event
	if err := b.quarantine(appendRecord(nil, finishedRecord, e), err); err != nil {
		return err
	}
	return b.commit(ctx, &batch{to: part.to})
}

// refused reports whether Postgres will never take these rows, as against not now. The classes: data exception, integrity
// constraint violation, program limit exceeded.
func refused(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch pgErr.Code[:2] {
	case "22", "23", "54":
		return true
	}
	return false
}

// commit books a batch in one transaction, and then tells whom it concerns.
func (b *Booker) commit(ctx context.Context, part *batch) error {
	txCtx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	err := db.InTx(txCtx, b.Pool, func(tx pgx.Tx) error {
		if err := b.advance(txCtx, tx, part); err != nil {
			return err
		}
		if len(part.bookings) > 0 {
			if err := b.insert(txCtx, tx, part); err != nil {
				return err
			}
		}
		b.pending = part
		return nil
	})
	if err != nil {
		return err
	}
	b.committed(ctx, part)
	return nil
}

func (b *Booker) advance(ctx context.Context, tx pgx.Tx, part *batch) error {
	moved, err := b.q.AdvanceSpoolCursor(ctx, tx, db.AdvanceSpoolCursorParams{
		NodeID:  b.Spool.Node(),
		Segment: part.to.Segment, Position: part.to.Offset, Drained: part.drained,
		FromSegment: b.at.Segment, FromPosition: b.at.Offset,
	})
	if err != nil {
		return fmt.Errorf("advance spool cursor: %w", err)
	}
	if moved == 0 {
		return errMoved
	}
	return nil
}

// insert writes the rows, and of those that were not there yet the charges and the counts.
func (b *Booker) insert(ctx context.Context, tx pgx.Tx, part *batch) error {
	events := make([]*Event, len(part.bookings))
	for i := range part.bookings {
		events[i] = &part.bookings[i].event
	}
	var err error
	if part.fresh, err = insertRequests(ctx, tx, b.q, events); err != nil {
		return fmt.Errorf("insert requests: %w", err)
	}
	if len(part.fresh) == 0 {
		return nil
	}
	if part.budgets, err = b.Ledger.BookTx(ctx, tx, b.Spool.Node(), chargesOf(part.fresh)); err != nil {
		return fmt.Errorf("book charges: %w", err)
	}
	if err := b.q.AddUsageMinutes(ctx, tx, bucketRows(minuteBuckets(part.fresh), "")); err != nil {
		return fmt.Errorf("count usage: %w", err)
	}
	return nil
}

func chargesOf(events []*Event) []credit.Charge {
	charges := make([]credit.Charge, 0, len(events))
	for _, e := range events {
		if e.Charge != nil && *e.Charge > 0 {
			charges = append(charges, credit.Charge{
				Account: e.AccountID, User: e.UserID, Key: e.KeyID, Budgets: e.Budgets, Request: e.ID, Amount: *e.Charge, Reason: e.Model, At: e.StartedAt,
			})
		}
	}
	return charges
}

// committed is what follows a commit: memory agrees with Postgres, booked segments go, listeners hear.
func (b *Booker) committed(ctx context.Context, part *batch) {
	b.pending = nil
	if part.to.Segment > b.done.Segment {
		if err := b.Spool.release(part.to.Segment); err != nil {
			b.Log.Error("cannot remove booked spool segments", "error", err)
		}
	}
	b.at, b.done = part.to, part.to
	b.stats.booked.Add(int64(len(part.fresh)))
	sums := map[id.Account]money.Amount{}
	for _, c := range chargesOf(part.fresh) {
		sums[c.Account] = sums[c.Account].Add(c.Amount)
	}
	for account, sum := range sums {
		b.Leases.Booked(account, sum)
	}
	for account, sum := range part.budgets {
		b.Leases.Booked(account, sum)
	}
	for requests := range slices.Chunk(b.live.take(time.Now(), part.fresh), loggedChunk) {
		b.Bus.Publish(ctx, TopicLogged, LoggedBatch{Requests: requests})
	}
}

// maxLogged is how many booked requests a node announces in a second. A log that is watched live needs no more, and a
// replay after an outage must not flood the bus; the log itself has all.
const maxLogged = 1000

// loggedChunk is how many go into one message, to stay below what the bus carries.
const loggedChunk = 50

// liveTail keeps to maxLogged.
type liveTail struct {
	second int64
	sent   int
}

// take is the share of events that may be announced now.
func (l *liveTail) take(now time.Time, events []*Event) []Request {
	if now.Unix() != l.second {
		l.second, l.sent = now.Unix(), 0
	}
	events = events[:min(len(events), maxLogged-l.sent)]
	l.sent += len(events)
	requests := make([]Request, len(events))
	for i, e := range events {
		requests[i] = fromEvent(e)
	}
	return requests
}
