// Package audit is the append-only record of who did what to which thing.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/reqid"
)

// MaxDetails is how large an event's details may be, in bytes of JSON.
const MaxDetails = 16 << 10

// A Log writes and reads audit events.
type Log struct {
	pool *pgxpool.Pool
	q    *db.Queries
}

// New reads from pool; writes go through the transactions that callers bring.
func New(pool *pgxpool.Pool) *Log { return &Log{pool: pool, q: db.New()} }

// An Event is one thing that was done.
type Event struct {
	ID        id.Audit
	At        time.Time
	ActorKind authz.Kind
	ActorID   *id.User // the user who acted, or whose gateway key did; nil for the gateway itself
	ActorName string   // as the actor was called then: e-mail, key hint, or the job's name
	Action    string   // noun.verb, as in "user.create"
	Target    string   // typed id of what it was done to
	Details   json.RawMessage
	IP        string
	RequestID string
}

// Record adds an event to the caller's transaction, so that a change and its record stand or fall together. Who acted
// comes from ctx; no actor is an error. Deciding whether the actor may is the caller's part, done before.
//
// details is written as JSON; it must never hold a secret or a body.
func (l *Log) Record(ctx context.Context, tx db.DBTX, action, target string, details any) error {
	actor, ok := authz.From(ctx)
	if !ok {
		return fault.New(fault.Unauthenticated, "no actor for %s", action)
	}
	raw, err := marshal(details)
	if err != nil {
		return fmt.Errorf("record %s: %w", action, err)
	}
	event := db.InsertAuditEventParams{
		ID:        id.New[id.Audit](),
		ActorKind: string(actor.Kind),
		ActorName: actor.Name,
		Action:    action,
		Target:    target,
		Details:   raw,
		IP:        actor.IP,
		RequestID: reqid.From(ctx),
	}
	if !actor.UserID.IsZero() {
		event.ActorID = &actor.UserID.UUID
	}
	if err := l.q.InsertAuditEvent(ctx, tx, event); err != nil {
		return fmt.Errorf("record %s: %w", action, db.Classify(err))
	}
	return nil
}

func marshal(details any) (json.RawMessage, error) {
	if details == nil {
		return json.RawMessage("{}"), nil
	}
	raw, err := json.Marshal(details)
	if err != nil {
		return nil, fmt.Errorf("write details: %w", err)
	}
	if len(raw) > MaxDetails {
		return nil, fmt.Errorf("details have %d bytes, at most %d are kept", len(raw), MaxDetails)
	}
	return raw, nil
}

// Get is one event.
func (l *Log) Get(ctx context.Context, eventID id.Audit) (Event, error) {
	if _, err := authz.Require(ctx, authz.AuditRead); err != nil {
		return Event{}, err
	}
	row, err := l.q.GetAuditEvent(ctx, l.pool, eventID)
	if err != nil {
		return Event{}, fmt.Errorf("get audit event: %w", db.Classify(err))
	}
	return fromRow(row), nil
}

// A Filter cuts the list. Zero fields do not cut.
type Filter struct {
	ActorID     *id.User
	Action      string
	Target      string
	From        time.Time // included
	To          time.Time // not included
	OldestFirst bool
}

// List is a page of events, newest first unless the filter says otherwise.
func (l *Log) List(ctx context.Context, f Filter, args page.Args) (page.Page[Event], error) {
	var none page.Page[Event]
	if _, err := authz.Require(ctx, authz.AuditRead); err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	var key db.AuditEventKey
	after := &key
	if ok, err := page.Decode(args.After, after); err != nil {
		return none, err
	} else if !ok {
		after = nil
	}
	filter := db.AuditEventFilter{ActorID: f.ActorID, Action: f.Action, Target: f.Target, From: f.From, To: f.To}
	rows, err := l.q.ListAuditEvents(ctx, l.pool, filter, after, f.OldestFirst, size+1)
	if err != nil {
		return none, fmt.Errorf("list audit events: %w", db.Classify(err))
	}
	n, err := l.q.CountAuditEvents(ctx, l.pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count audit events: %w", db.Classify(err))
	}
	events := make([]Event, len(rows))
	for i, row := range rows {
		events[i] = fromRow(row)
	}
	p := page.New(events, size, func(e Event) string {
		return page.Encode(db.AuditEventKey{At: e.At, ID: e.ID})
	})
	p.Total = page.Counted(n)
	return p, nil
}

func fromRow(row db.AuditEvent) Event {
	e := Event{
		ID:        row.ID,
		At:        row.At,
		ActorKind: authz.Kind(row.ActorKind),
		ActorName: row.ActorName,
		Action:    row.Action,
		Target:    row.Target,
		Details:   row.Details,
		IP:        row.IP,
		RequestID: row.RequestID,
	}
	if row.ActorID != nil {
		e.ActorID = &id.User{UUID: *row.ActorID}
	}
	return e
}
