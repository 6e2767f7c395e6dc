package db

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// RequestFilter cuts a list of requests. Zero fields do not cut.
type RequestFilter struct {
	Owner      *id.User // whose requests the reader may see
	UserID     *id.User
	KeyID      *id.Key
	ProviderID *id.Provider
	Model      string
	Outcomes   []string
	StatusMin  int // HTTP status, both ends included
	StatusMax  int
	From       time.Time
	To         time.Time // excluded
	RequestID  string
	Streamed   *bool
	Tags       map[string]string // all of them
}

// RequestKey is a request's place in the list.
type RequestKey struct {
	StartedAt time.Time
	ID        id.Request
}

func (f RequestFilter) build() *filter {
	var w filter
	if f.Owner != nil {
		w.where("user_id = ?", *f.Owner)
	}
	if f.UserID != nil {
		w.where("user_id = ?", *f.UserID)
	}
	if f.KeyID != nil {
		w.where("api_key_id = ?", *f.KeyID)
	}
	if f.ProviderID != nil {
		w.where("provider_id = ?", *f.ProviderID)
	}
	if f.Model != "" {
		w.where("model = ?", f.Model)
	}
	if f.Outcomes != nil {
		w.where("outcome = ANY(?)", f.Outcomes)
	}
	if f.StatusMin != 0 {
		w.where("http_status >= ?", f.StatusMin)
	}
	if f.StatusMax != 0 {
		w.where("http_status <= ?", f.StatusMax)
	}
	if !f.From.IsZero() {
		w.where("started_at >= ?", f.From)
	}
	if !f.To.IsZero() {
		w.where("started_at < ?", f.To)
	}
	if f.RequestID != "" {
		w.where("request_id = ?", f.RequestID)
	}
	if f.Streamed != nil {
		w.where("streamed = ?", *f.Streamed)
	}
	if len(f.Tags) > 0 {
		tags, err := json.Marshal(f.Tags)
		if err != nil {
			panic("db: texts cannot be written as JSON: " + err.Error())
		}
		w.where("tags @> ?::jsonb", string(tags))
	}
	return &w
}

func listRequests(f RequestFilter, after *RequestKey, oldestFirst bool, limit int) (string, []any) {
	w := f.build()
	var key []any
	if after != nil {
		key = []any{after.StartedAt, after.ID}
		// The same once more for the first column alone, by which the planner leaves out whole days.
		if oldestFirst {
			w.where("started_at >= ?", after.StartedAt)
		} else {
			w.where("started_at <= ?", after.StartedAt)
		}
	}
	order := w.behind(key, oldestFirst, "started_at", "id")
	return "SELECT " + columns[Request]() + " FROM requests" + w.String() + order + " LIMIT " + w.param(limit), w.args
}

// ListRequests is the requests behind after, newest first unless oldestFirst.
func (q *Queries) ListRequests(ctx context.Context, db DBTX, f RequestFilter, after *RequestKey, oldestFirst bool, limit int) ([]Request, error) {
	sql, args := listRequests(f, after, oldestFirst, limit)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Request])
}

// CountRequests counts the requests, but at most limit of them.
func (q *Queries) CountRequests(ctx context.Context, db DBTX, f RequestFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "requests", limit)
}
