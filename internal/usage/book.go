package usage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
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
	fresh    []*Event // those that were not there yet, once it was tried
}

// collect reads the next finished requests off the spool. None: the end is reached.
func (b *Booker) collect() (*batch, error) {
	part := &batch{to: b.done}
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
	return part, nil
}

// book books a batch. One that Postgres refuses is halved until the request that it refuses stands alone, which is put
// aside.
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
	params, err := insertParams(b.Spool.Node(), part.bookings)
	if err != nil {
		return err
	}
	inserted, err := b.q.InsertRequests(ctx, tx, params)
	if err != nil {
		return fmt.Errorf("insert requests: %w", err)
	}
	part.fresh = freshOf(part.bookings, inserted)
	if len(part.fresh) == 0 {
		return nil
	}
	if err := b.Ledger.BookTx(ctx, tx, b.Spool.Node(), chargesOf(part.fresh)); err != nil {
		return fmt.Errorf("book charges: %w", err)
	}
	if err := b.q.AddUsageMinutes(ctx, tx, minuteParams(minuteBuckets(part.fresh))); err != nil {
		return fmt.Errorf("count usage: %w", err)
	}
	return nil
}

// freshOf picks the events whose rows were inserted, each once.
func freshOf(bookings []booking, inserted []id.Request) []*Event {
	isNew := make(map[id.Request]bool, len(inserted))
	for _, request := range inserted {
		isNew[request] = true
	}
	fresh := make([]*Event, 0, len(inserted))
	for i := range bookings {
		e := &bookings[i].event
		if isNew[e.ID] {
			isNew[e.ID] = false
			fresh = append(fresh, e)
		}
	}
	return fresh
}

func chargesOf(events []*Event) []credit.Charge {
	charges := make([]credit.Charge, 0, len(events))
	for _, e := range events {
		if e.Charge != nil && *e.Charge > 0 {
			charges = append(charges, credit.Charge{
				Account: e.AccountID, Request: e.ID, Amount: *e.Charge, Reason: e.Model, At: e.StartedAt,
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

// unknownAmount stands for NULL among the amounts, which are never negative.
const unknownAmount = -1

func nullable(a *money.Amount) int64 {
	if a == nil {
		return unknownAmount
	}
	return int64(*a)
}

func insertParams(node id.Node, bookings []booking) (p db.InsertRequestsParams, err error) {
	p.NodeID = node.UUID
	for i := range bookings {
		e := &bookings[i].event
		attempts, tags := []byte("[]"), []byte("{}")
		if len(e.Attempts) > 0 {
			if attempts, err = json.Marshal(e.Attempts); err != nil {
				return p, fmt.Errorf("write attempts: %w", err)
			}
		}
		if len(e.Tags) > 0 {
			if tags, err = json.Marshal(e.Tags); err != nil {
				return p, fmt.Errorf("write tags: %w", err)
			}
		}
		provider := uuid.Nil
		if e.ProviderID != nil {
			provider = e.ProviderID.UUID
		}
		p.Ids = append(p.Ids, e.ID.UUID)
		p.StartedAt = append(p.StartedAt, e.StartedAt)
		p.RequestIds = append(p.RequestIds, e.RequestID)
		p.UserIds = append(p.UserIds, e.UserID.UUID)
		p.ApiKeyIds = append(p.ApiKeyIds, e.KeyID.UUID)
		p.Models = append(p.Models, e.Model)
		p.ProviderIds = append(p.ProviderIds, provider)
		p.UpstreamModels = append(p.UpstreamModels, e.UpstreamModel)
		p.Dialects = append(p.Dialects, e.Dialect)
		p.Endpoints = append(p.Endpoints, e.Endpoint)
		p.Streamed = append(p.Streamed, e.Streamed)
		p.HttpStatuses = append(p.HttpStatuses, int32(e.HTTPStatus))
		p.Outcomes = append(p.Outcomes, string(e.Outcome))
		p.ErrorCodes = append(p.ErrorCodes, e.ErrorCode)
		p.Attempts = append(p.Attempts, string(attempts))
		p.DurationsUs = append(p.DurationsUs, e.Duration.Microseconds())
		p.FirstTokensUs = append(p.FirstTokensUs, e.FirstToken.Microseconds())
		p.InputTokens = append(p.InputTokens, e.Usage.Input)
		p.CachedInputTokens = append(p.CachedInputTokens, e.Usage.CachedInput)
		p.CacheWriteTokens = append(p.CacheWriteTokens, e.Usage.CacheWrite5m+e.Usage.CacheWrite1h)
		p.OutputTokens = append(p.OutputTokens, e.Usage.Output)
		p.ReasoningTokens = append(p.ReasoningTokens, e.Usage.Reasoning)
		p.Estimated = append(p.Estimated, e.Usage.Estimated)
		p.Unpriced = append(p.Unpriced, e.Unpriced)
		p.Charges = append(p.Charges, nullable(e.Charge))
		p.Costs = append(p.Costs, nullable(e.Cost))
		p.Tags = append(p.Tags, string(tags))
	}
	return p, nil
}

func minuteParams(buckets []*bucket) (p db.AddUsageMinutesParams) {
	for _, b := range buckets {
		p.StartedAt = append(p.StartedAt, b.minute)
		p.UserIds = append(p.UserIds, b.series.User.UUID)
		p.ApiKeyIds = append(p.ApiKeyIds, b.series.Key.UUID)
		p.ProviderIds = append(p.ProviderIds, b.series.Provider.UUID)
		p.Models = append(p.Models, b.series.Model)
		p.Requests = append(p.Requests, b.counts.Requests)
		p.Errors = append(p.Errors, b.counts.Errors)
		p.Refused = append(p.Refused, b.counts.Refused)
		p.InputTokens = append(p.InputTokens, b.counts.Input)
		p.CachedInputTokens = append(p.CachedInputTokens, b.counts.CachedInput)
		p.CacheWriteTokens = append(p.CacheWriteTokens, b.counts.CacheWrite)
		p.OutputTokens = append(p.OutputTokens, b.counts.Output)
		p.ReasoningTokens = append(p.ReasoningTokens, b.counts.Reasoning)
		p.Unpriced = append(p.Unpriced, b.counts.Unpriced)
		p.Charges = append(p.Charges, int64(b.counts.Charge))
		p.Costs = append(p.Costs, int64(b.counts.Cost))
		p.DurationHistograms = append(p.DurationHistograms, b.times.Duration.text())
		p.FirstTokenHistograms = append(p.FirstTokenHistograms, b.times.FirstToken.text())
	}
	return p
}
