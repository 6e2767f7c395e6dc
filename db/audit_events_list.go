package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// AuditEventFilter cuts a list of audit events. Zero fields do not cut.
type AuditEventFilter struct {
	ActorID  *id.User
	Action   string
	Target   string
	From, To time.Time // From is included, To is not
}

// AuditEventKey is where an audit event stands in the list.
type AuditEventKey struct {
	At time.Time
	ID id.Audit
}

func (f AuditEventFilter) build() *filter {
	var w filter
	if f.ActorID != nil {
		w.where("actor_id = ?", *f.ActorID)
	}
	if f.Action != "" {
		w.where("action = ?", f.Action)
	}
	if f.Target != "" {
		w.where("target = ?", f.Target)
	}
	if !f.From.IsZero() {
		w.where("at >= ?", f.From)
	}
	if !f.To.IsZero() {
		w.where("at < ?", f.To)
	}
	return &w
}

func listAuditEvents(f AuditEventFilter, after *AuditEventKey, oldestFirst bool, limit int) (string, []any) {
	w := f.build()
	var key []any
	if after != nil {
		key = []any{after.At, after.ID}
	}
	order := w.behind(key, oldestFirst, "at", "id")
	sql := "SELECT " + columns[AuditEvent]() + " FROM audit_events" + w.String() + order + " LIMIT " + w.param(limit)
	return sql, w.args
}

// ListAuditEvents is the events behind after, newest first unless oldestFirst.
func (q *Queries) ListAuditEvents(ctx context.Context, db DBTX, f AuditEventFilter, after *AuditEventKey, oldestFirst bool, limit int) ([]AuditEvent, error) {
	sql, args := listAuditEvents(f, after, oldestFirst, limit)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[AuditEvent])
}

// CountAuditEvents counts the events, but at most limit of them.
func (q *Queries) CountAuditEvents(ctx context.Context, db DBTX, f AuditEventFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "audit_events", limit)
}
