package db

import (
	"context"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// UserFilter cuts a list of users. Zero fields do not cut.
type UserFilter struct {
	ID    *id.User
	Query string // part of the e-mail or name
	Role  string
}

func (f UserFilter) build() *filter {
	var w filter
	if f.ID != nil {
		w.where("id = ?", *f.ID)
	}
	if f.Query != "" {
		pattern := contains(f.Query)
		w.where("(email ILIKE ? OR name ILIKE ?)", pattern, pattern)
	}
	if f.Role != "" {
		w.where("role = ?", f.Role)
	}
	return &w
}

// ListUsers is the users behind after, newest first unless oldestFirst. Ids are made in the order of time. A Query
// reads the whole table: there are as many rows as people.
func (q *Queries) ListUsers(ctx context.Context, db DBTX, f UserFilter, after *id.User, oldestFirst bool, limit int) ([]User, error) {
	w := f.build()
	var key []any
	if after != nil {
		key = []any{*after}
	}
	order := w.behind(key, oldestFirst, "id")
	rows, err := db.Query(ctx, "SELECT "+columns[User]()+" FROM users"+w.String()+order+" LIMIT "+w.param(limit), w.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[User])
}

// CountUsers counts the users, but at most limit of them.
func (q *Queries) CountUsers(ctx context.Context, db DBTX, f UserFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, "users", limit)
}
