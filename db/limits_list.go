package db

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/internal/id"
)

// LimitFilter cuts a list of limits. Zero fields do not cut.
type LimitFilter struct {
	Subject   string
	SubjectID uuid.UUID
	Dimension string
	Query     string // part of the label
}

// LimitKey is a limit's place in the list.
type LimitKey struct{ ID id.Limit }

// A LabelledLimit is a limit and what people call its subject.
type LabelledLimit struct {
	Limit
	Label string
}

// limitLabels are the subjects' names: there is one row for each limit.
const limitLabels = `limits
	CROSS JOIN LATERAL (
		SELECT coalesce(
			CASE subject
				WHEN 'key' THEN (SELECT k.name FROM api_keys k WHERE k.id = subject_id)
				WHEN 'user' THEN (SELECT u.email FROM users u WHERE u.id = subject_id)
				WHEN 'provider' THEN (SELECT p.slug FROM providers p WHERE p.id = subject_id)
			END, subject_name) AS label
	) AS named`

func (f LimitFilter) build() *filter {
	var w filter
	if f.Subject != "" {
		w.where("subject = ?", f.Subject)
	}
	if f.SubjectID != uuid.Nil {
		w.where("subject_id = ?", f.SubjectID)
	}
	if f.Dimension != "" {
		w.where("dimension = ?", f.Dimension)
	}
	if f.Query != "" {
		w.where("label ILIKE ?", contains(f.Query))
	}
	return &w
}

func listLimits(f LimitFilter, after *LimitKey, oldestFirst bool, limit int) (string, []any) {
	w := f.build()
	var key []any
	if after != nil {
		key = []any{after.ID}
	}
	order := w.behind(key, oldestFirst, "id")
	return "SELECT " + columns[Limit]() + ", label FROM " + limitLabels + w.String() + order + " LIMIT " + w.param(limit), w.args
}

// ListLimits is the limits behind after, nil being the beginning, by the time at which they were made.
func (q *Queries) ListLimits(ctx context.Context, db DBTX, f LimitFilter, after *LimitKey, oldestFirst bool, limit int) ([]LabelledLimit, error) {
	sql, args := listLimits(f, after, oldestFirst, limit)
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[LabelledLimit])
}

// GetLimit is one limit.
func (q *Queries) GetLimit(ctx context.Context, db DBTX, limit id.Limit) (LabelledLimit, error) {
	rows, err := db.Query(ctx, "SELECT "+columns[Limit]()+", label FROM "+limitLabels+" WHERE id = $1", limit)
	if err != nil {
		return LabelledLimit{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[LabelledLimit])
}

// CountLimits counts the limits, but at most limit of them.
func (q *Queries) CountLimits(ctx context.Context, db DBTX, f LimitFilter, limit int) (int64, error) {
	return f.build().count(ctx, db, limitLabels, limit)
}
