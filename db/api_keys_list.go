package db

import (
	"context"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// ApiKeyFilter cuts a list of gateway keys. Zero fields do not cut.
type ApiKeyFilter struct {
	Owner  *id.User // whose keys the reader may see
	UserID *id.User
	Query  string // part of the name or hint
	Active *bool  // neither revoked nor expired, or one of them
}

func (f ApiKeyFilter) build() *filter {
	var w filter
	if f.Owner != nil {
		w.where("user_id = ?", *f.Owner)
	}
	if f.UserID != nil {
		w.where("user_id = ?", *f.UserID)
	}
	if f.Query != "" {
		pattern := contains(f.Query)
		w.where("(name ILIKE ? OR hint ILIKE ?)", pattern, pattern)
	}
	if f.Active != nil {
		w.where("(revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) = ?", *f.Active)
	}
	return &w
}

func listApiKeys(f ApiKeyFilter, after *id.Key, oldestFirst bool, limit int) (string, []any) {
	w := f.build()
	var key []any
	if after != nil {
		key = []any{*after}
	}
	order := w.behind(key, oldestFirst, "id")
	return "SELECT " + columns[ApiKey]() + " FROM api_keys" + w.String() + order + " LIMIT " + w.param(limit), w.args
}

// ListApiKeys is the keys behind after, newest first unless oldestFirst. Ids are made in the order of time.
func (q *Queries) ListApiKeys(ctx context.Context, db DBTX, f ApiKeyFilter, after *id.Key, oldestFirst bool, limit int) ([]ApiKey, error) {
	sql, args := listApiKeys(f, after, oldestFirst, limit)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[ApiKey])
}

// CountApiKeys counts the keys, but at most limit of them.
func (q *Queries) CountApiKeys(ctx context.Context, db DBTX, f ApiKeyFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "api_keys", limit)
}
